import { headerOf, type Answer, type Call } from '../support/http-connection.ts'
import { PASSWORD, type SeededPerson } from '../support/names.ts'
import { form, forwardedHeaders, type Workload } from '../support/workload.ts'
import { createApp, type AppSettings } from './app.ts'

export interface Settings extends AppSettings {
  people: SeededPerson[]
}

/**
 * A person at a browser without a session: the app's authorization request, the page, name and password, and back to the app,
 * which has its consent from earlier. Five requests, one operation.
 */
export function create(settings: Settings): Workload {
  const { issuer, people } = settings
  const jars: Map<string, string>[] = []
  const app = createApp({ ...settings, sessions: people.map(() => ({ cookies: {}, code: '', verifier: '' })) })

  function browse(client: number, call: Call): Call {
    const cookie = [...jars[client]!].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = {
      ...forwardedHeaders(issuer, client),
      ...call.headers,
      Origin: issuer,
      ...(cookie && { Cookie: cookie }),
    }
    return { ...call, headers }
  }

  return {
    run: {
      next(client) {
        jars[client] = new Map()
        return browse(client, withoutCookie(app.authorization(client)))
      },
      take(client, answer) {
        keepCookies(jars[client]!, answer)
        if (answer.status === 200) {
          const [action, fields] = loginForm(answer)
          const { username } = people[client % people.length]!
          return browse(client, form(action, {}, { ...fields, login: username, password: PASSWORD }))
        }
        if (answer.status !== 303) throw new Error(`${answer.status}: ${answer.body.slice(0, 300)}`)
        const to = new URL(headerOf(answer, 'location') ?? '', issuer)
        if (to.origin === issuer) return browse(client, { method: 'GET', path: to.pathname + to.search, headers: {} })
        if (!to.searchParams.has('code')) throw new Error(`no code but ${to.search}`)
        return undefined
      },
    },
  }
}

function withoutCookie({ headers: { Cookie: _none, ...headers }, ...call }: Call): Call {
  return { ...call, headers }
}

/** Where the form for the password leads, and what it hides. @throws when the page has none */
function loginForm({ body }: Answer): [string, Record<string, string>] {
  const [text = '', action] = /<form[^>]*action="([^"]*\/login)"[\s\S]*?<\/form>/.exec(body) ?? []
  if (action === undefined) throw new Error(`no place for a password: ${body.replace(/<[^>]+>/g, ' ').slice(0, 500)}`)
  const inputs = [...text.matchAll(/<input[^>]*type="hidden"[^>]*>/g)].map(([input]) => input)
  const attribute = (input: string, name: string) => new RegExp(`\\s${name}="([^"]*)"`).exec(input)?.[1] ?? ''
  return [action, Object.fromEntries(inputs.map((input) => [attribute(input, 'name'), attribute(input, 'value')]))]
}

function keepCookies(jar: Map<string, string>, { head }: Answer): void {
  for (const [, name = '', value = ''] of head.matchAll(/^set-cookie: *([^=]+)=([^;\r]*)/gim)) {
    if (value === '') jar.delete(name)
    else jar.set(name, value)
  }
}

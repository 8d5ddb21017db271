/**
 * The device authorization grant (RFC 8628): what the library leaves to whoever runs it. It makes the codes and walks the
 * person through sign-in and consent; here stand the form, its mistakes, and how often somebody may guess.
 */
import type { Middleware } from 'koa'
import { errors, Provider, type Configuration, type KoaContextWithOIDC } from 'oidc-provider'
import type { Database } from '../database/connect.ts'
import type { LoginThrottle } from '../registry/users/throttle.ts'
import { POLL_SECONDS } from './adapter/device-codes.ts'
import { onlyAt, routes } from './routes.ts'

/** Twenty letters, no vowels, no digits: RFC 8628 §6.1. Eight of them are 34.5 bits, for ten minutes and few guesses. */
const MASK = '****-****'
const WHOLE_CODE = /^[BCDFGHJKLMNPQRSTVWXZ]{8}$/
const PATHS: ReadonlySet<string> = new Set([routes.device_authorization, routes.code_verification])

export interface DeviceForm {
  action: string
  xsrf: string
  /** As it was typed, or came with the address. */
  userCode: string | undefined
  /** The code came with the address: the person has typed nothing, and has to compare. */
  isGiven: boolean
  /** Ask for sign-in, also when somebody is signed in. */
  switchAccount: boolean
  problem: 'missing' | 'unknown' | 'expired' | 'used' | 'throttled' | undefined
  retryAfterSeconds: number | undefined
}

export interface DevicePages {
  /** Asks for the code that the device shows. */
  form(ctx: KoaContextWithOIDC, form: DeviceForm): void
  /** The form, or the request behind it, is too old. */
  over(ctx: KoaContextWithOIDC, restartUri: string): void
  done(ctx: KoaContextWithOIDC, outcome: 'approved' | 'refused'): void
  error(ctx: KoaContextWithOIDC, out: { error: string; error_description?: string | undefined }): void | Promise<void>
}

const PROBLEMS: Record<string, DeviceForm['problem']> = {
  NoCodeError: 'missing',
  NotFoundError: 'unknown',
  ExpiredError: 'expired',
  AlreadyUsedError: 'used',
}

interface TooManyGuesses extends Error {
  retryAfterSeconds: number
}

type Failure = Error & Partial<TooManyGuesses> & { error?: string; userCode?: string }

export function deviceFlow(pages: DevicePages) {
  return {
    enabled: true,
    charset: 'base-20',
    mask: MASK,
    // Of the device nothing is known that it could not have made up.
    deviceInfo: () => ({}),
    userCodeInputSource(ctx, _form, out, failure) {
      const err = failure as Failure | undefined
      if (!err) return pages.form(ctx, emptyForm(ctx))
      leaveUnstored(ctx)
      if (err.name === 'AbortedError') return pages.done(ctx, 'refused')
      const problem = err.retryAfterSeconds === undefined ? PROBLEMS[err.name] : 'throttled'
      if (problem) return pages.form(ctx, { ...typedForm(ctx), problem, retryAfterSeconds: err.retryAfterSeconds })
      if (err.error === 'invalid_request') return pages.over(ctx, restartUri(ctx))
      return pages.error(ctx, out ?? { error: 'server_error' })
    },
    // The form says that it confirms; a request that does not is asked for it, with the code in place.
    userCodeConfirmSource: (ctx) => pages.form(ctx, { ...typedForm(ctx), isGiven: true }),
    successSource(ctx) {
      leaveBrowserAsItWas(ctx)
      pages.done(ctx, 'approved')
    },
  } satisfies NonNullable<NonNullable<Configuration['features']>['deviceFlow']>
}

export function applyDeviceRules(
  provider: Provider,
  { db, guesses }: { db: Pick<Database, 'pool'>; guesses: LoginThrottle },
): void {
  limitGuesses(provider, db, guesses)
  const answer: Middleware = async (ctx, next) => {
    // A code in the address would make the library answer with a page that sends itself by script.
    if (ctx.path === routes.code_verification && ctx.method !== 'POST') {
      const { user_code: userCode, switch_account: switchAccount } = ctx.query
      given.set(ctx, {
        ...(typeof userCode === 'string' && userCode !== '' ? { userCode: userCode.slice(0, LONGEST_TYPED) } : {}),
        switchAccount: switchAccount === 'yes',
      })
      ctx.querystring = ''
    }
    await next()
    if (ctx.oidc?.route === 'device_authorization' && ctx.status === 200) {
      ctx.body = { ...(ctx.body as object), interval: POLL_SECONDS }
    }
  }
  provider.use(onlyAt(PATHS, answer))
}

/**
 * The library writes a token for its form into the session, and fails when that was never stored: a stranger's, who has seen
 * no form, or whose session is over. Such a session stays as it is.
 */
function leaveUnstored({ oidc }: KoaContextWithOIDC): void {
  const session = oidc.session as { exp?: number; touched: boolean } | undefined
  if (session && session.exp === undefined) session.touched = false
}

/** Whether this request is about a device, which waits elsewhere. */
export function isForDevice({ oidc }: KoaContextWithOIDC): boolean {
  return oidc.route === 'code_verification' || oidc.route === 'device_resume'
}

/** Whether the person wants another account than the one that is signed in. */
export function asksForOtherAccount({ oidc }: KoaContextWithOIDC): boolean {
  return (
    oidc.route === 'code_verification' && (oidc.body as Record<string, unknown> | undefined)?.switch_account === 'yes'
  )
}

const LONGEST_TYPED = 40
const given = new WeakMap<object, { userCode?: string; switchAccount: boolean }>()

/**
 * RFC 8628 §5.1: a user code is short, and any that waits will do. Guesses are counted before the code is looked up, by
 * browser session (by person, once signed in) and by address, for all instances; a code that exists costs nothing.
 */
function limitGuesses(provider: Provider, db: Pick<Database, 'pool'>, guesses: LoginThrottle): void {
  type Find = (userCode: string, options?: object) => Promise<unknown>
  const model = provider.DeviceCode as unknown as { findByUserCode: Find }
  const find = model.findByUserCode.bind(provider.DeviceCode)
  model.findByUserCode = async (userCode, options) => {
    // What can't be a code is a slip, and tells nobody anything.
    if (!WHOLE_CODE.test(userCode)) return undefined
    const { ctx } = Provider
    const { session } = ctx?.oidc ?? {}
    const login = session?.accountId ?? session?.uid ?? ''
    const attempt = await guesses.begin(db.pool, { login, address: ctx?.ip ?? '' })
    if (!attempt.allowed) throw tooManyGuesses(attempt.retryAfterSeconds)
    const found = await find(userCode, options)
    if (found) await guesses.withdraw(db.pool, attempt)
    return found
  }
}

function tooManyGuesses(retryAfterSeconds: number): Error {
  const error = new errors.CustomOIDCProviderError('temporarily_unavailable', 'too many wrong codes')
  return Object.assign(error, { status: 429, statusCode: 429, retryAfterSeconds })
}

function emptyForm(ctx: KoaContextWithOIDC): DeviceForm {
  const { userCode, switchAccount = false } = given.get(ctx) ?? {}
  return { ...typedForm(ctx), userCode, isGiven: userCode !== undefined, switchAccount }
}

function typedForm(ctx: KoaContextWithOIDC): DeviceForm {
  return {
    action: routes.code_verification,
    xsrf: secretOf(ctx),
    userCode: typed(ctx),
    isGiven: false,
    switchAccount: asksForOtherAccount(ctx),
    problem: undefined,
    retryAfterSeconds: undefined,
  }
}

function typed({ oidc }: KoaContextWithOIDC): string | undefined {
  const code = oidc.params?.user_code ?? (oidc.body as Record<string, unknown> | undefined)?.user_code
  return typeof code === 'string' ? code.slice(0, LONGEST_TYPED) : undefined
}

function restartUri(ctx: KoaContextWithOIDC): string {
  const code = typed(ctx)
  return code ? deviceUri(code) : routes.code_verification
}

/** Where a person goes on with this code. */
export function deviceUri(userCode: string, more: Record<string, string> = {}): string {
  return `${routes.code_verification}?${new URLSearchParams({ user_code: userCode, ...more })}`
}

/** A user code as the device shows it. */
export function shownUserCode(userCode: string): string {
  return WHOLE_CODE.test(userCode) ? `${userCode.slice(0, 4)}-${userCode.slice(4)}` : userCode
}

function secretOf({ oidc }: KoaContextWithOIDC): string {
  return (oidc.session?.state as { secret?: string } | undefined)?.secret ?? ''
}

interface Authorization {
  sid?: string
  grantId?: string
  persistsLogout?: boolean
}

const before = new WeakMap<KoaContextWithOIDC, Authorization | undefined>()

/** Call it before the device gets its grant: what this browser has of the client. */
export function rememberBrowser(ctx: KoaContextWithOIDC): void {
  const { session, client } = ctx.oidc
  const known = client && (session?.authorizations as Record<string, Authorization> | undefined)?.[client.clientId]
  if (!before.has(ctx)) before.set(ctx, known && { ...known })
}

/**
 * The library notes the grant of the device as the one that this browser has of the client, so that the next device, or the
 * app in this very browser, would share its fate. What the browser had before comes back.
 */
function leaveBrowserAsItWas(ctx: KoaContextWithOIDC): void {
  const { session, client } = ctx.oidc
  const authorizations = session?.authorizations as Record<string, Authorization> | undefined
  if (!session || !client || !authorizations) return
  const { [client.clientId]: _device, ...others } = authorizations
  const known = before.get(ctx)
  session.authorizations = known ? { ...others, [client.clientId]: known } : others
}

import { createPrivateKey, randomUUID, sign, type JsonWebKey } from 'node:crypto'
import { expectStatus, type Workload } from '../support/workload.ts'

export interface Settings {
  issuer: string
  audience: string
  key: JsonWebKey & { kid: string }
  /** Whether every request has a token that was never seen before. */
  fresh: boolean
}

/** Calls of an API with access tokens, signed here as the issuer would. */
export function create({ issuer, audience, key, fresh }: Settings): Workload {
  const privateKey = createPrivateKey({ key, format: 'jwk' })
  const header = encode({ alg: 'RS256', typ: 'at+jwt', kid: key.kid })
  const newToken = () => {
    const now = Math.floor(Date.now() / 1000)
    const claims = {
      iss: issuer,
      aud: audience,
      sub: 'usr_bench',
      client_id: 'cli_bench',
      scope: 'orders:read',
      jti: randomUUID(),
      iat: now,
      exp: now + 300,
    }
    const input = `${header}.${encode(claims)}`
    return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`
  }
  const tokens: string[] = []
  let same = ''
  return {
    make(operations) {
      same = newToken()
      if (fresh) while (tokens.length < operations) tokens.push(newToken())
    },
    run: {
      next() {
        const token = fresh ? tokens.pop() : same
        if (token === undefined) return undefined
        return { method: 'GET', path: '/', headers: { Host: 'api.example.com', Authorization: `Bearer ${token}` } }
      },
      take: (_client, answer) => expectStatus(answer, 200),
    },
  }
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

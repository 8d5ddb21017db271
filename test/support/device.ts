/** A device without a browser, and the person who approves it in theirs (RFC 8628). */
import { DEVICE_GRANT, type GrantType } from '../../src/registry/clients/client.ts'
import type { Database } from '../../src/database/connect.ts'
import type { NewClient } from '../../src/registry/clients/create.ts'
import { buildClient, type TestClient } from './registry.ts'
import { token, type Credentials, type Page, type TokenResponse, type Visitor } from './visitor.ts'

export interface DeviceAuthorization {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
  interval: number
}

const GRANTS: GrantType[] = [DEVICE_GRANT, 'refresh_token']

/** An app on a device that has no redirect URI. */
export function buildDeviceClient(db: Pick<Database, 'knex'>, overrides: Partial<NewClient> = {}): Promise<TestClient> {
  return buildClient(db, { kind: 'native', name: 'Television', grantTypes: GRANTS, redirectUris: [], ...overrides })
}

/** @returns the answer as it came, whatever it is */
export async function askForCode(
  issuer: string,
  { client_id }: TestClient,
  parameters: Record<string, string> = {},
): Promise<{ status: number; body: DeviceAuthorization & { error?: string } }> {
  const body = new URLSearchParams({ client_id, scope: 'openid offline_access', ...parameters })
  const response = await fetch(`${issuer}/device_authorization`, { method: 'POST', body })
  return { status: response.status, body: (await response.json()) as DeviceAuthorization & { error?: string } }
}

export function poll(
  issuer: string,
  client: TestClient,
  device_code: string,
  instance = issuer,
): Promise<TokenResponse> {
  return token(issuer, client, { grant_type: DEVICE_GRANT, device_code }, instance)
}

/** Types the code, signs in when asked to, and stops at the question. */
export async function reachQuestion(visitor: Visitor, person: Credentials, userCode: string): Promise<Page> {
  const page = await typeCode(visitor, userCode)
  return page.html.includes('name="password"') ? visitor.signIn(page, person) : page
}

export async function typeCode(visitor: Visitor, userCode: string): Promise<Page> {
  return visitor.submit(await visitor.open('/device'), '/device', { user_code: userCode })
}

export async function approve(visitor: Visitor, person: Credentials, userCode: string): Promise<Page> {
  return visitor.allow(await reachQuestion(visitor, person, userCode))
}

/** Blocks that have begun last: a machine that is busy must not see them end between two requests. */
export async function prolongBlocks({ knex }: Pick<Database, 'knex'>): Promise<void> {
  await knex('login_throttles')
    .whereRaw('blocked_until > last_failure_at')
    .update({ blocked_until: knex.raw(`clock_timestamp() + interval '1 minute'`) })
}

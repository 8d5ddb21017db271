/** Events about what operators register: clients, resources, API keys, webhooks; and about the signing keys. */
import { z } from 'zod'
import { count, event, fields, grantsRevoked, list, momentOrNull } from './definition.ts'

const firstParty = z.boolean().describe('Whether consent may be skipped for it.')
const secretId = z.string().describe('The id of the secret, `sec_…`.')
const overlapSeconds = count('For how long the one before works on.')

export const clients = {
  'client.created': event('A client was registered.', {
    kind: z.string().describe('`web`, `spa`, `native` or `service`.'),
    first_party: firstParty,
    self_registered: z.boolean().optional().describe('Whether it registered itself, so that nobody vouches for it.'),
  }),
  'client.updated': event('The settings of a client changed.', { fields, first_party: firstParty.optional() }),
  'client.disabled': event('A client may do nothing any more.', { grants_revoked: grantsRevoked }),
  'client.enabled': event('A client may ask for tokens again.', { grants_revoked: grantsRevoked }),
  'client.secret_rotated': event('A client has a new secret.', {
    secret_id: secretId,
    overlap_seconds: overlapSeconds,
  }),
  'client.secret_deleted': event('One of the secrets of a client ended.', { secret_id: secretId }),
  'client.deleted': event('A client is gone.', {
    name: z.string().describe('What it was called.'),
    grants_revoked: grantsRevoked,
  }),
}

export const registrationTokens = {
  'registration_token.created': event('A token was made with which apps register themselves.', {
    name: z.string().describe('Whom or what it is for.'),
    most_uses: z.int().nullable().describe('How many apps may register with it; null: any number.'),
    expires_at: momentOrNull('When it ends.'),
  }),
  'registration_token.revoked': event('A token with which apps register themselves ended.'),
}

const audience = z.string().describe('The audience of its tokens.')

export const resources = {
  'resource.created': event('An API was registered.', { audience }),
  'resource.updated': event('The settings or scopes of an API changed.', { fields }),
  'resource.deleted': event('An API is gone, and its scopes from every client.', { audience }),
}

const scopes = list('What it may do.')

export const apiKeys = {
  'api_key.created': event('A key to the management API was made.', {
    name: z.string().describe('What it is for.'),
    scopes,
    expires_at: momentOrNull('When it ends.'),
  }),
  'api_key.updated': event('The name or scopes of an API key changed.', { fields, scopes: scopes.optional() }),
  'api_key.rotated': event('An API key has a new value.', { overlap_seconds: overlapSeconds }),
  'api_key.revoked': event('An API key ended.'),
}

const stopped = {
  reason: z.string().describe('Why, in words.'),
  owner: z.string().describe('By whose rights it saw events.'),
}

export const webhooks = {
  'webhook.created': event('A webhook was made.', { events: list('The patterns that it subscribes to.') }),
  'webhook.updated': event('The settings or the state of a webhook changed.', { fields }),
  'webhook.secret_rotated': event('A webhook has a new secret.', {
    previous_secret_until: momentOrNull('Until when deliveries are signed with the one before as well.'),
  }),
  'webhook.paused': event('A delivery failed at every attempt: the webhook waits for its owner.', stopped),
  'webhook.disabled': event('The receiver is gone, or the owner of the webhook lost the rights.', stopped),
  'webhook.deleted': event('A webhook is gone, with its deliveries.'),
  'webhook.test': event(
    'Nothing happened: somebody asked for a test. It is delivered to one webhook only and is in no feed.',
  ),
}

const signing = { alg: z.string().describe('`RS256`, `ES256` or `Ed25519`.') }

export const keys = {
  'key.published': event('A signing key is in the JWKS and does not sign yet.', signing),
  'key.activated': event('A signing key signs from now on.', signing),
  'key.retired': event('A signing key signs no more; what it signed is still good.', signing),
  'key.removed': event('A signing key left the JWKS after everything that it signed had expired.', signing),
  'key.revoked': event('A signing key was taken out of use: what it signed is worth nothing.', signing),
}

/** Events about people: their accounts, browser sessions, sign-ins, and what they allowed. */
import { z } from 'zod'
import { address, count, event, fields, grantsRevoked, list, momentOrNull, sessionsEnded } from './definition.ts'

const everythingEnded = { sessions_ended: sessionsEnded, grants_revoked: grantsRevoked }
const roles = list('The roles that they have now.')

export const users = {
  'user.created': event('An account was made.', { roles }),
  'user.updated': event('Something said of a user changed.', { fields, roles: roles.optional() }),
  'user.disabled': event('An account was shut: its sessions and tokens ended.', everythingEnded),
  'user.enabled': event('An account was opened again; nothing that had ended came back.', everythingEnded),
  'user.deleted': event('An account was deleted, and the person erased from what is kept.'),
  'user.password_changed': event(
    'A person has a new password; what was open by the old one ended, but for the session in which it was changed.',
    everythingEnded,
  ),
  'user.signed_out': event('Everything that a person had open ended.', everythingEnded),
}

export const sessions = {
  'session.started': event('A person signed in in a browser in which they were not signed in.'),
  'session.ended': event('A person was signed out in one browser.', { grants_revoked: grantsRevoked.optional() }),
}

export const logins = {
  'login.succeeded': event('A name and password were right.', { address }),
  'login.failed': event('A name or password was wrong; `user_id` only when there is such an account.', { address }),
  'login.throttled': event('After wrong guesses no more are taken for a while.', {
    address,
    by: z.enum(['account', 'address']).describe('Whose guesses were counted.'),
    seconds: count('For how long.'),
  }),
}

const scopes = {
  openid: list('OpenID Connect scopes.'),
  resources: z.record(z.string(), z.array(z.string())).describe('Scopes by the audience of the resource.'),
}

export const consents = {
  'consent.granted': event('A person allowed a client something.', {
    ...scopes,
    expires_at: momentOrNull('When it ends.'),
  }),
  'consent.skipped': event('A first-party client was allowed something without asking the person.', scopes),
  'consent.withdrawn': event('A person took back everything that they had allowed a client.', {
    grants_revoked: count('How many token families ended with it.'),
  }),
}

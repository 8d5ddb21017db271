/** Users and what they have open, as they stand in requests and answers. */
import { z } from 'zod'
import { linksSchema } from '../links.ts'
import { time, versionSchema } from '../schemas.ts'
import { ADA, CONSENT, USER_ID } from './examples.ts'

export const userParams = z.object({
  user_id: z.string().meta({ description: 'The id of the user.', example: USER_ID }),
})

const USERNAME = 'The name to sign in with. Stored in lower case; an e-mail address only if it is the `email` as well.'
const EMAIL = 'An e-mail address, which signs in too. Unique; stored in lower case.'
const EMAIL_VERIFIED = 'Whether you know that the address is theirs. A changed address is not, unless you say so.'
const NAME = 'What people call them: one line of up to 200 characters.'
const ROLES =
  'Roles, each once. APIs see them in tokens, if their resource wants so. `grantry-admin`, `grantry-viewer`, `grantry-user-admin` and `grantry-client-admin` give access to this API: only callers who have that access can give or take them.'

export const userSchema = z
  .strictObject({
    id: z.string().meta({ description: 'Names the user for good: the `sub` of tokens.', example: USER_ID }),
    username: z.string().meta({ description: USERNAME, example: ADA.username }),
    email: z.string().nullable().meta({ description: EMAIL, example: 'ada@example.com' }),
    email_verified: z.boolean().describe(EMAIL_VERIFIED),
    name: z.string().nullable().meta({ description: NAME, example: 'Ada Lovelace' }),
    roles: z.array(z.string()).meta({ description: ROLES, example: ['staff'] }),
    disabled: z.boolean().describe('Whether the account is shut: nobody can sign in, and nothing of it is open.'),
    disabled_at: time('Since when it is shut.').nullable(),
    password_changed_at: time('When the password was last replaced; null: never.').nullable(),
    version: versionSchema,
    created_at: time('When the account was made.'),
    updated_at: time('When anything here last changed.'),
    links: linksSchema({
      sessions: 'Where they are signed in.',
      consents: 'What they allow apps.',
      token_families: 'Which apps hold tokens of theirs.',
      update: 'Change some fields.',
      replace: 'Replace all fields.',
      password: 'Give a new password.',
      disable: 'Shut the account, by `{"disabled": true}`. Only while it is open.',
      enable: 'Open the account again, by `{"disabled": false}`. Only while it is shut.',
      sign_out: 'End all that they have open.',
      delete: 'Remove the account.',
    }),
  })
  .meta({ id: 'User', description: 'A person who can sign in.' })

const username = z.string().meta({ description: USERNAME, example: ADA.username, maxLength: 64 })
const email = z.string().meta({ description: EMAIL, example: 'ada@example.com', maxLength: 254 })
const emailVerified = z.boolean().describe(EMAIL_VERIFIED)
const name = z.string().meta({ description: NAME, example: 'Ada Lovelace', maxLength: 200 })
const roles = z.array(z.string()).meta({ description: ROLES, example: ['staff'], maxItems: 50 })
const password = z.string().meta({
  description:
    '15 to 128 characters, not made of well-known words, and without the username, the e-mail address or the name in it. Stored as a slow hash; nobody can read it again.',
  format: 'password',
  writeOnly: true,
  minLength: 15,
  maxLength: 128,
})

export const newUserSchema = z
  .strictObject({
    username,
    password,
    email: email.nullable().optional(),
    email_verified: emailVerified.optional(),
    name: name.nullable().optional(),
    roles: roles.optional(),
  })
  .meta({ id: 'NewUser', description: 'An account to be made.' })

export const userReplacementSchema = z
  .strictObject({
    username,
    email: email.nullable().optional(),
    email_verified: emailVerified.optional(),
    name: name.nullable().optional(),
    roles: roles.optional(),
    disabled: z
      .boolean()
      .optional()
      .describe(
        'Shuts or opens the account. Left out, it stays as it is: nobody opens an account by forgetting a field.',
      ),
  })
  .meta({
    id: 'UserReplacement',
    description: 'All that can be said about a user. What is left out is cleared, except `disabled`.',
  })

export const userPatchSchema = z
  .strictObject({
    username: username.optional(),
    email: email.nullable().optional(),
    email_verified: emailVerified.optional(),
    name: name.nullable().optional(),
    roles: roles.optional(),
    disabled: z.boolean().optional().describe('Shuts the account and ends all that is open, or opens it again.'),
  })
  .meta({
    id: 'UserPatch',
    description:
      'A merge patch (RFC 7396): what is left out stays as it is, null clears. A list is replaced as a whole.',
  })

export const newPasswordSchema = z.strictObject({ password }).meta({ id: 'NewPassword' })

const scopesByAudience = z
  .record(z.string(), z.array(z.string()))
  .meta({ description: 'Scopes by the audience of the API.', example: { 'https://api.example.com': ['orders:read'] } })
const openidScopes = z.array(z.string()).meta({ description: 'The OpenID scopes.', example: ['openid', 'profile'] })
const clientId = z.string().meta({ description: 'The id of the app.', example: CONSENT.client_id })
const clientName = z.string().meta({ description: 'The name of the app.', example: 'Orders' })

export const sessionSchema = z
  .strictObject({
    id: z.string().describe('Names the session. It is not the value of its cookie and opens nothing.'),
    user_agent: z.string().nullable().describe('What the browser said that it is, when it signed in.'),
    address: z.string().nullable().describe('The IP address from which the session was last changed.'),
    signed_in_at: time('When they last gave their password in it.').nullable(),
    last_seen_at: time('When it was last used here.'),
    expires_at: time('When it ends if it is not used.'),
    links: linksSchema({ user: 'Whose it is.', delete: 'End it.' }),
  })
  .meta({ id: 'Session', description: 'A browser in which someone is signed in.' })

export const consentSchema = z
  .strictObject({
    id: z.string().meta({
      description: 'Names the consent among those of the user: the id of the app.',
      example: CONSENT.client_id,
    }),
    client_id: clientId,
    client_name: clientName,
    openid_scopes: openidScopes,
    resources: scopesByAudience,
    granted_at: time('When they last said yes.'),
    expires_at: time('When any part of it ends first; null: it does not end.').nullable(),
    links: linksSchema({ user: 'Whose it is.', client: 'The app.', delete: 'Withdraw it.' }),
  })
  .meta({ id: 'Consent', description: 'What someone allows one app.' })

export const tokenFamilySchema = z
  .strictObject({
    id: z.string().describe('Names the family. It is no token and opens nothing.'),
    client_id: clientId,
    client_name: clientName,
    session_id: z.string().nullable().describe('The session in which it was granted; it may have ended since.'),
    openid_scopes: openidScopes,
    resources: scopesByAudience,
    created_at: time('When it was granted.'),
    expires_at: time('When it ends, however often it is renewed.'),
    last_refreshed_at: time('When a refresh token of it was last used; null: never.').nullable(),
    links: linksSchema({ user: 'Whose it is.', client: 'The app.', delete: 'Revoke it.' }),
  })
  .meta({
    id: 'TokenFamily',
    description: 'A grant to one app with every token that came of it: they live and end together.',
  })

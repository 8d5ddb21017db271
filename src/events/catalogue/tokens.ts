/** Events about tokens and the families that they belong to. */
import { z } from 'zod'
import { count, event, moment } from './definition.ts'

const issued = {
  client_id: z.string().describe('The client that got them.'),
  grant_type: z.string().describe('As OAuth names it: `authorization_code`, for one.'),
  count: count('How many answers of the token endpoint.'),
  from: moment('When the first was given.'),
  to: moment('When the last was given.'),
}

export const tokens = {
  'token.issued': event(
    'A client got tokens with a code, for itself or by exchange: one event for each client, grant type and minute of an instance.',
    issued,
  ),
  'token.refreshed': event(
    'A client renewed tokens with a refresh token: one event for each client and minute of an instance.',
    issued,
  ),
  'token.revoked': event('A token was revoked by its client, or by a person or operator.', {
    token_type: z
      .enum(['access_token', 'refresh_token'])
      .describe('What was revoked. A refresh token takes its family with it.'),
    grant_id: z.string().nullable().describe('The token family; null for a token that a client had for itself.'),
    token_id: z.string().optional().describe('Its `jti`, of an access token that is a JWT: APIs know it by that.'),
  }),
  'grant.revoked': event('A token family ended: its codes, access tokens and refresh tokens.'),
  'authorization_code.reuse_detected': event('A code was used twice: everything issued for it is revoked.'),
  'device_code.reuse_detected': event('A device code was used twice: everything issued for it is revoked.'),
  'refresh_token.reuse_detected': event('A refresh token was used again after its time: its family is revoked.'),
}

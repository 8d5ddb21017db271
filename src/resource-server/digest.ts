import { hash } from 'node:crypto'

/** What stands for a token where the token itself must not be: its SHA-256 in base64url. */
export function digestOf(token: string): string {
  return hash('sha256', token, 'base64url')
}

/**
 * The standards that Grantry is held against, clause by clause. `docs/security.md` is written from this folder and the titles
 * of all tests by `npm run docs:security`, and `document.test.ts` holds it there.
 */
import { oauth } from './asvs-10-oauth.ts'
import { webFrontend } from './asvs-3-web-frontend.ts'
import { authentication } from './asvs-6-authentication.ts'
import { sessions } from './asvs-7-sessions.ts'
import { tokens } from './asvs-9-tokens.ts'
import type { Chapter } from './clause.ts'
import { attacks, recommendations } from './rfc-9700.ts'

export interface Standard {
  /** What the ids of its clauses begin with. */
  name: string
  title: string
  about: string
  chapters: readonly Chapter[]
}

export const standards: readonly Standard[] = [
  {
    name: 'ASVS',
    title: 'OWASP ASVS 5.0',
    about:
      'The [Application Security Verification Standard](https://owasp.org/www-project-application-security-verification-standard/) 5.0.0, its chapters on what this server is for. Level 1 is for everybody, level 3 for those with most to lose.',
    chapters: [webFrontend, authentication, sessions, tokens, oauth],
  },
  {
    name: 'RFC 9700',
    title: 'RFC 9700',
    about:
      'The [Best Current Practice for OAuth 2.0 Security](https://www.rfc-editor.org/rfc/rfc9700): what its sections 2 and 4 ask of servers, clients and APIs. Clients are asked by way of the playground, APIs by way of the demo and of `grantry/resource-server`. Letters number the demands of one section; they are ours.',
    chapters: [recommendations, attacks],
  },
]

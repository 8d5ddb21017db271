/** A small API: one route that greets, behind `grantry/resource-server` when MODE is `protected`. Started by resource-server.ts. */
import Koa from 'koa'
import { createTokenVerifier, protect } from '../../src/resource-server/index.ts'

const { PORT, MODE, ISSUER = '', AUDIENCE = '', JWKS_URI = '' } = process.env

const app = new Koa()
app.use((ctx, next) => {
  if (ctx.path !== '/health/ready') return next()
  ctx.body = 'ok'
  return undefined
})
if (MODE === 'protected') {
  const verifier = createTokenVerifier({ issuer: ISSUER, audience: AUDIENCE, jwksUri: JWKS_URI })
  app.use(protect(verifier, { scope: 'orders:read' }))
}
app.use((ctx) => {
  ctx.body = { hello: 'world' }
})
app.listen(Number(PORT), '127.0.0.1')
process.once('SIGTERM', () => process.exit(0))

import { connect } from 'node:tls'
import type { Examination, Finding } from './finding.ts'

const TIMEOUT_MS = 5000
const SOON_DAYS = 14

const CAUSES: Record<string, string> = {
  ECONNREFUSED: 'nothing listens there: start the server, or correct ISSUER',
  ENOTFOUND: 'the host name does not exist: make a DNS record, or correct ISSUER',
  EAI_AGAIN: 'the host name can not be looked up from here: check the resolver of this machine',
  ETIMEDOUT: 'no answer: look at firewalls between here and there',
  CERT_HAS_EXPIRED: 'renew the certificate',
  DEPTH_ZERO_SELF_SIGNED_CERT:
    'use a certificate that clients trust, or give NODE_EXTRA_CA_CERTS to whatever must trust this one',
  SELF_SIGNED_CERT_IN_CHAIN: 'install the whole chain of a trusted authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'the proxy sends no intermediate certificate: configure the full chain',
  ERR_TLS_CERT_ALTNAME_INVALID: 'the certificate is for another host name: get one for the host of ISSUER',
}

/** Asks the issuer as a client would: the host, the proxy in front and the certificate must lead to this server. */
export async function checkIssuer({ config, fetch }: Examination): Promise<Finding[]> {
  return [...proxyFindings(config), await discovery(config.issuer, fetch), ...(await certificate(config.issuer))]
}

function proxyFindings({ issuer, trustProxy }: Examination['config']): Finding[] {
  if (!issuer.startsWith('https:') || trustProxy) return []
  const detail =
    'TLS ends at a proxy, but TRUST_PROXY is not set: every visitor has the proxy’s address, and failed sign-ins slow everybody down'
  return [
    { check: 'proxy', status: 'fail', detail, mend: 'set TRUST_PROXY to the number of proxies or to their networks' },
  ]
}

async function discovery(issuer: string, fetch: typeof globalThis.fetch): Promise<Finding> {
  const check = 'issuer'
  const url = `${issuer}/.well-known/openid-configuration`
  try {
    const response = await fetch(url, { redirect: 'manual', signal: AbortSignal.timeout(TIMEOUT_MS) })
    if (response.status === 421) {
      const mend = 'let the proxy pass on the Host header of the request (or X-Forwarded-Host, with TRUST_PROXY)'
      return { check, status: 'fail', detail: `${url} reaches a server that was not asked by its own name`, mend }
    }
    if (response.status !== 200) {
      const mend = 'let the proxy send everything under ISSUER here, unchanged'
      return { check, status: 'fail', detail: `${url} answers ${response.status}`, mend }
    }
    const { issuer: stated } = (await response.json()) as { issuer?: unknown }
    if (stated !== issuer) {
      const detail = `${url} says that its issuer is ${JSON.stringify(stated)}`
      return { check, status: 'fail', detail, mend: 'give every instance the same ISSUER, or point the name here' }
    }
    return { check, status: 'ok', detail: `${issuer} answers as itself` }
  } catch (error) {
    const { code = '', message } = ((error as Error).cause ?? error) as NodeJS.ErrnoException
    const mend = CAUSES[code]
    // Looked at from the machine that is being set up, a server that is not running yet is no fault.
    const status = code === 'ECONNREFUSED' ? 'warn' : 'fail'
    return { check, status, detail: `${url}: ${code || message}`, ...(mend ? { mend } : {}) }
  }
}

async function certificate(issuer: string): Promise<Finding[]> {
  const url = new URL(issuer)
  if (url.protocol !== 'https:') return []
  const validTo = await certificateEnd(url)
  if (!validTo) return []
  const days = Math.floor((validTo.getTime() - Date.now()) / 86_400_000)
  const detail = `the certificate ends in ${days} days`
  if (days >= SOON_DAYS) return [{ check: 'tls', status: 'ok', detail }]
  return [
    {
      check: 'tls',
      status: days < 2 ? 'fail' : 'warn',
      detail,
      mend: 'renew it, and see why that did not happen by itself',
    },
  ]
}

function certificateEnd({ hostname, port }: URL): Promise<Date | undefined> {
  return new Promise((resolve) => {
    const options = { host: hostname, port: Number(port || 443), servername: hostname, rejectUnauthorized: false }
    const socket = connect({ ...options, timeout: TIMEOUT_MS }, () => {
      const { valid_to } = socket.getPeerCertificate()
      socket.destroy()
      resolve(valid_to ? new Date(valid_to) : undefined)
    })
    for (const event of ['error', 'timeout']) {
      socket.on(event, () => {
        socket.destroy()
        resolve(undefined)
      })
    }
  })
}

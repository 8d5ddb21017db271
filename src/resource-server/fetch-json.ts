/** One bounded look at a JSON document of the issuer. */
const TIMEOUT_MS = 5_000
const MAX_BYTES = 256 * 1024

export interface FetchedJson {
  body: unknown
  headers: Headers
}

export interface JsonRequest {
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: URLSearchParams
  /** Ends it, in place of the usual time limit. */
  signal?: AbortSignal
}

/**
 * GET, unless told otherwise, with a time limit, a size limit and no redirects: a redirect could lead to keys of somebody
 * else's, or take credentials there.
 * @throws Error for everything but 200 with JSON
 */
export async function fetchJson(
  fetch: typeof globalThis.fetch,
  url: string,
  request: JsonRequest = {},
): Promise<FetchedJson> {
  const response = await fetch(url, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
    ...request,
    headers: { accept: 'application/json, application/jwk-set+json', ...request.headers },
    redirect: 'error',
    credentials: 'omit',
  })
  if (response.status !== 200) {
    await response.body?.cancel()
    throw new Error(`${url} answered ${response.status}`)
  }
  return { body: JSON.parse(await readBounded(response, url)), headers: response.headers }
}

async function readBounded(response: Response, url: string): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_BYTES) throw new Error(`${url} is larger than ${MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

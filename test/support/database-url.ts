/** The same server, another database. The host may be empty (a socket named in the query), which `URL` does not take. */
export function withDatabase(url: string, name: string): string {
  return url.replace(/^(\w+:\/\/[^/?]*)(\/[^?]*)?/, `$1/${name}`)
}

/** `accessTokenTtl` → `access_token_ttl`: a field as the outside names it. */
export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/**
 * What a client should ask for when its token covers too little: everything that the token has, and what is missing. Many a
 * client asks for exactly what the challenge names and would lose what it had (MCP authorization, scope challenges).
 */
export function scopesToAsk(held: readonly string[], needed: readonly string[]): string[] {
  return [...new Set([...held, ...needed])]
}

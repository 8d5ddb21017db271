import { isIP, isIPv4 } from 'node:net'

/** The network that one customer holds: the IPv4 address itself, or the first 64 bits of an IPv6 address. */
export function networkOf(address: string): string {
  if (isIPv4(address)) return address
  const bare = address.replace(/%.*$/, '').toLowerCase()
  if (isIP(bare) !== 6) return bare
  // The URL parser writes an IPv6 address in its one short form (RFC 5952).
  const short = new URL(`http://[${bare}]`).hostname.slice(1, -1)
  const mapped = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(short)
  if (mapped) {
    const bits = [mapped[1], mapped[2]].map((group) => Number.parseInt(group ?? '0', 16))
    return bits.flatMap((group) => [group >> 8, group & 255]).join('.')
  }
  const [head = '', tail] = short.split('::')
  const groups = head ? head.split(':') : []
  const after = tail ? tail.split(':') : []
  const zeros = tail === undefined ? 0 : 8 - groups.length - after.length
  return [...groups, ...Array<string>(zeros).fill('0'), ...after].slice(0, 4).join(':') + '::/64'
}

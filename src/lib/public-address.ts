/**
 * Which IP addresses belong to anybody on the internet, and which lead inside: to this machine, its network, its cloud's
 * metadata service, or nowhere (IANA special-purpose registries, RFC 6890).
 */
import { BlockList, isIP } from 'node:net'

const INSIDE_4 = [
  '0.0.0.0/8', // this network
  '10.0.0.0/8',
  '100.64.0.0/10', // shared, behind carriers
  '127.0.0.0/8',
  '169.254.0.0/16', // link-local, and the metadata services of clouds
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24', // documentation
  '192.31.196.0/24',
  '192.52.193.0/24',
  '192.88.99.0/24', // 6to4 relays
  '192.168.0.0/16',
  '192.175.48.0/24',
  '198.18.0.0/15', // benchmarks
  '198.51.100.0/24', // documentation
  '203.0.113.0/24', // documentation
  '224.0.0.0/4', // multicast
  '240.0.0.0/4', // reserved, and broadcast
]

// Of IPv6 only 2000::/3 is given out; of that these lead elsewhere, some of them to an IPv4 address inside.
const INSIDE_6 = [
  '2001::/23', // protocol assignments, Teredo among them
  '2001:db8::/32', // documentation
  '2002::/16', // 6to4: an IPv4 address in disguise
  '3fff::/20', // documentation
]

const inside = new BlockList()
for (const network of INSIDE_4) addTo(inside, network, 'ipv4')
for (const network of INSIDE_6) addTo(inside, network, 'ipv6')
const given = new BlockList()
addTo(given, '2000::/3', 'ipv6')

function addTo(list: BlockList, network: string, family: 'ipv4' | 'ipv6'): void {
  const [address = '', bits] = network.split('/')
  list.addSubnet(address, Number(bits), family)
}

/** Whether an address, without brackets, may be anybody's. What is no address at all is nobody's. */
export function isPublicAddress(address: string): boolean {
  const bare = address.replace(/%.*$/, '')
  switch (isIP(bare)) {
    case 4:
      return !inside.check(bare, 'ipv4')
    case 6:
      return given.check(bare, 'ipv6') && !inside.check(bare, 'ipv6')
    default:
      return false
  }
}

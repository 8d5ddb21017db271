/** Every clause of the walked chapters, as the standards count them: what may not be left out. */

/** OWASP ASVS 5.0.0: the level of each requirement of a section, in order. */
const ASVS: Record<string, string> = {
  '3.1': '3',
  '3.2': '113',
  '3.3': '12223',
  '3.4': '11222233',
  '3.5': '11122333',
  '3.6': '3',
  '3.7': '22333',
  '6.1': '122',
  '6.2': '111111112222',
  '6.3': '11223333',
  '6.4': '112233',
  '6.5': '22222333',
  '6.6': '2223',
  '6.7': '33',
  '6.8': '2222',
  '7.1': '222',
  '7.2': '1111',
  '7.3': '22',
  '7.4': '11222',
  '7.5': '223',
  '7.6': '22',
  '9.1': '111',
  '9.2': '1222',
  '10.1': '22',
  '10.2': '223',
  '10.3': '22223',
  '10.4': '1111122222233333',
  '10.5': '22222',
  '10.6': '22',
  '10.7': '222',
}

/** RFC 9700: how many demands a section makes; one alone has no letter. Sections that demand nothing are left out. */
const RFC_9700: Record<string, number> = {
  '2.1': 5,
  '2.1.1': 7,
  '2.1.2': 1,
  '2.2.1': 1,
  '2.2.2': 2,
  '2.3': 3,
  '2.4': 1,
  '2.5': 2,
  '2.6': 6,
  '4.1.3': 4,
  '4.2.4': 6,
  '4.3.1': 1,
  '4.3.2': 1,
  '4.4.2': 3,
  '4.5.3': 2,
  '4.6.1': 1,
  '4.7.1': 3,
  '4.8.2': 2,
  '4.9.3': 3,
  '4.10.1': 1,
  '4.10.2': 1,
  '4.11.1': 1,
  '4.11.2': 3,
  '4.12': 1,
  '4.13': 2,
  '4.14.2': 6,
  '4.15.1': 1,
  '4.16': 2,
  '4.17.2': 1,
}

/** FAPI 2.0 Security Profile, as RFC 9700 above. */
const FAPI_2: Record<string, number> = {
  '5.2.1': 1,
  '5.2.2': 1,
  '5.2.3': 2,
  '5.3.2.1': 14,
  '5.3.2.2': 12,
  '5.3.4': 4,
  '5.4.1': 5,
  '5.4.2': 1,
}

/** MCP authorization, revision 2026-07-28: servers, documents of clients, MCP servers. */
const MCP = [12, 6, 8]

export interface Walked {
  id: string
  level?: number
}

const LETTERS = 'abcdefghijklmn'

/** In the order of the standards. */
export const walked: Walked[] = [
  ...Object.entries(ASVS).flatMap(([section, levels]) =>
    Array.from(levels, (level, index) => ({ id: `ASVS ${section}.${index + 1}`, level: Number(level) })),
  ),
  ...Object.entries(RFC_9700).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => ({
      id: `RFC 9700 ${section}${count > 1 ? ` ${LETTERS[index]}` : ''}`,
    })),
  ),
]

/** Of the profiles, in their order. */
export const profiles: string[] = [
  ...Object.entries(FAPI_2).flatMap(([section, count]) =>
    Array.from({ length: count }, (_, index) => `FAPI 2.0 ${section}${count > 1 ? ` ${LETTERS[index]}` : ''}`),
  ),
  ...MCP.flatMap((count, chapter) => Array.from({ length: count }, (_, index) => `MCP ${chapter + 1}.${index + 1}`)),
]

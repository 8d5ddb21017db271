/** What stands at the root of an API: where everything is, and which versions there are. Described like any operation. */
import { z } from 'zod'
import type { ApiOptions, ApiVersion } from './api.ts'
import { operation, type Operation } from './operation.ts'
import { isGone, successorOf, type VersionRules } from './versions.ts'

const links = z.record(z.string(), z.string())

export const versionSchema = z.strictObject({
  version: z.int(),
  /** `current`: what a request means that names none. */
  status: z.enum(['current', 'supported', 'deprecated', 'removed']),
  deprecated_at: z.iso.datetime().nullable(),
  sunset_at: z.iso.datetime().nullable(),
  successor: z.int().nullable(),
  links,
})

/** `GET /` and `GET /versions`, below the base and without a version. */
export function rootOperations({ title, origin, base }: ApiOptions, rules: VersionRules): Operation[] {
  const root = origin + base
  const service = {
    self: root,
    versions: `${root}/versions`,
    'service-desc': `${root}/openapi.json`,
    'service-doc': `${root}/docs`,
  }
  return [
    operation({
      id: 'readRoot',
      method: 'GET',
      path: '',
      tag: 'Service',
      summary: 'Find out what is here',
      access: 'public',
      responses: { 200: { description: 'Where everything is', schema: z.strictObject({ title: z.string(), links }) } },
      handle: async () => ({
        body: { title, links: { ...service, current: rules.urlOf(rules.defaultVersion, '') } },
        headers: { link: toLink(service) },
      }),
    }),
    operation({
      id: 'listVersions',
      method: 'GET',
      path: '/versions',
      tag: 'Service',
      summary: 'List the versions of the API',
      access: 'public',
      responses: {
        200: { description: 'All versions', schema: z.strictObject({ data: z.array(versionSchema), links }) },
      },
      handle: async () => ({
        body: {
          data: rules.versions.map((version) => presentVersion(rules, version)),
          links: { self: service.versions },
        },
      }),
    }),
  ]
}

/** `GET /api/v1`: what there is to know of this version. */
export function versionOperation(rules: VersionRules, version: ApiVersion): Operation {
  return operation({
    id: 'readVersion',
    method: 'GET',
    path: '',
    tag: 'Service',
    summary: 'Read what there is to know of a version',
    access: 'public',
    responses: { 200: { description: 'The version', schema: versionSchema } },
    handle: async () => ({ body: presentVersion(rules, version) }),
  })
}

function presentVersion(rules: VersionRules, version: ApiVersion): z.infer<typeof versionSchema> {
  const { number, deprecated } = version
  const outdated = deprecated !== undefined || version.removed === true
  return {
    version: number,
    status: isGone(version, rules.now()) ? 'removed' : deprecated ? 'deprecated' : number === rules.defaultVersion ? 'current' : 'supported', // prettier-ignore
    deprecated_at: deprecated?.since.toISOString() ?? null,
    sunset_at: deprecated?.sunset.toISOString() ?? null,
    successor: outdated ? successorOf(rules, version) : null,
    links: {
      self: rules.urlOf(number, ''),
      ...(outdated && { 'successor-version': rules.urlOf(successorOf(rules, version), '') }),
      ...(deprecated?.documentation && { deprecation: deprecated.documentation }),
    },
  }
}

function toLink(all: Record<string, string>): string {
  return Object.entries(all).map(([rel, url]) => `<${url}>; rel="${rel}"`).join(', ') // prettier-ignore
}

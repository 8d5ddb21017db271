import type { Resource } from '../registry/resources/resource.ts'
import type { Locale } from './pages/locale.ts'
import { messagesIn } from './pages/messages/index.ts'
import type { ScopeGroup } from './pages/models.ts'

interface Scopes {
  openid: string[]
  resources: Record<string, string[]>
}

/** What a client asks for, in the reader's words: OpenID's scopes first, then each resource server's. */
export function scopeGroups(requested: Scopes, missing: Scopes, resources: Resource[], locale: Locale): ScopeGroup[] {
  const own: ScopeGroup = {
    group: messagesIn(locale).scopes.ownGroup,
    items: requested.openid.map((name) => ({
      name,
      description: openidScopeWords(name, locale),
      alreadyGranted: !missing.openid.includes(name),
    })),
  }
  const others = Object.entries(requested.resources).map(([audience, scopes]) => {
    const resource = resources.find((one) => one.audience === audience)
    return {
      group: resource?.name ?? audience,
      items: scopes.map((name) => ({
        name,
        description: describeScope(
          resource?.scopes.find((scope) => scope.name === name),
          locale,
        ),
        alreadyGranted: !missing.resources[audience]?.includes(name),
      })),
    }
  })
  return [own, ...others].filter(({ items }) => items.length > 0)
}

export function describeScope(
  scope: { description: string; descriptionDe: string | null } | undefined,
  locale: Locale,
): string {
  return (locale === 'de' ? scope?.descriptionDe : undefined) ?? scope?.description ?? ''
}

export function openidScopeWords(name: string, locale: Locale): string {
  const { ownGroup: _group, ...words } = messagesIn(locale).scopes
  return (words as Record<string, string>)[name] ?? ''
}

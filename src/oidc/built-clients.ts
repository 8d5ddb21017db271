import type { AdapterPayload, Provider } from 'oidc-provider'

type FoundClient = InstanceType<Provider['Client']> | undefined
type Find = (
  this: { adapter: { find(id: string): Promise<AdapterPayload | undefined> } },
  id: string,
) => Promise<FoundClient>

/**
 * The library builds a client from its metadata, which costs as much as a signature; it remembers a hundred of them by a
 * hash of everything, made anew for each request. Our lookup gives the same object for the same metadata, so what was built
 * from it is kept with it, for as many clients as the lookup remembers.
 */
export function keepBuiltClients(provider: Provider): void {
  const model = provider.Client as unknown as {
    find: Find
    adapter: { find(id: string): Promise<AdapterPayload | undefined> }
  }
  const build = model.find
  const built = new WeakMap<AdapterPayload, FoundClient & object>()
  model.find = async function (id) {
    const metadata = typeof id === 'string' && id !== '' ? await model.adapter.find(id) : undefined
    if (!metadata) return undefined
    const known = built.get(metadata)
    if (known) return known
    // What was found just now is what it is built from: asked again, the lookup might know something newer.
    const client = await build.call({ adapter: { find: () => Promise.resolve(metadata) } }, id)
    if (client) built.set(metadata, client)
    return client
  }
}

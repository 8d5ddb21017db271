/**
 * The pages of the authorization server: models in, HTML out. This folder owns what people see (`views/`, the catalogues, the
 * choice of language, the assets) and must not know requests, sessions, the provider or the database: whoever calls it
 * decides what happens, a page only says it.
 *
 * Every page works as a plain HTML form. None has a script, an inline style or anything from another host, so that it holds
 * under `default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'`.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { Eta } from 'eta'
import { createAssets, type Assets } from './assets.ts'
import { errorKind } from './error-kind.ts'
import { createFormats } from './formats.ts'
import { clean, isolate, linkable, toHtml, visible } from './html.ts'
import { LOCALES, type Locale } from './locale.ts'
import { messagesIn } from './messages/index.ts'
import { OPTIONAL_FIELDS, type PageModels, type PageName } from './models.ts'
import { describeUserAgent } from './user-agent.ts'

export interface Renderer {
  /**
   * The whole HTML document of a page.
   *
   * @throws Error when the template asks for what the model does not have; nothing half-made is returned.
   */
  render<P extends PageName>(page: P, locale: Locale, model: PageModels[P]): string
  /** The files that the pages refer to. */
  assets: Assets
}

export interface RendererOptions {
  /** The folder with the templates; its folder `assets` holds what they refer to. */
  directory: string
  now?: () => Date
}

// What a template may use, each by its plain name: `page` is the model, `t` the catalogue.
const TOOLS =
  'const { page, t, formats, asset, bdi, app, clean, visible, linkable, errorKind, describeUserAgent, now } = it;'

/**
 * Compiles every template of `directory` now, so that a broken one stops the start and not a request.
 *
 * @throws EtaParseError for a broken template, Error when a page has none.
 */
export function createRenderer({ directory, now = () => new Date() }: RendererOptions): Renderer {
  const eta = new Eta({ escapeFunction: toHtml, functionHeader: TOOLS, debug: true })
  for (const file of readdirSync(directory)) {
    if (file.endsWith('.eta')) eta.loadTemplate(`@${file.slice(0, -4)}`, readFileSync(join(directory, file), 'utf8'))
  }
  for (const page of Object.keys(OPTIONAL_FIELDS)) {
    if (!eta.templatesSync.get(`@${page}`)) throw new Error(`${directory} has no template ${page}.eta`)
  }

  const assets = createAssets({ directory: join(directory, 'assets') })
  const tools = new Map(LOCALES.map((locale) => [locale, toolsIn(locale, assets)]))
  return {
    assets,
    render(page, locale, model) {
      try {
        return eta.render(`@${page}`, { ...tools.get(locale), now: now(), page: strict(complete(page, model)) })
      } catch (cause) {
        throw new Error(`the page ${page} could not be rendered`, { cause })
      }
    },
  }
}

function toolsIn(locale: Locale, assets: Assets): object {
  const t = messagesIn(locale)
  return {
    t,
    formats: createFormats(locale),
    asset: (name: string) => assets.url(name),
    /** Somebody else's text inside a sentence. */
    bdi: isolate,
    /** A client's name inside a sentence. */
    app: (name: string) => isolate(name, t.unnamedApp),
    clean,
    visible,
    linkable,
    errorKind,
    describeUserAgent,
  }
}

/** Optional fields that were left out become null, so that any other absent field is a mistake. */
function complete<P extends PageName>(page: P, model: PageModels[P]): object {
  const given = Object.entries(model).filter(([, value]) => value !== undefined)
  return { ...OPTIONAL_FIELDS[page], ...Object.fromEntries(given) }
}

/** A copy of the model that refuses to answer for a field which it does not have, at any depth. */
function strict(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(strict)
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  const fields = Object.fromEntries(Object.entries(value).map(([key, field]) => [key, strict(field)]))
  return new Proxy(fields, {
    get(target, key) {
      if (typeof key === 'string' && !Object.hasOwn(target, key)) throw new ReferenceError(`the model has no ${key}`)
      return Reflect.get(target, key)
    },
  })
}

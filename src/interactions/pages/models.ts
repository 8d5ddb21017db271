import type { PasswordProblem } from '../../registry/users/password.ts'

/**
 * What each page is told. A page decides nothing and reads nothing by itself; whatever it shows stands here, in the language
 * of the reader where it is a sentence, and as it was stored where it is a name. All text may be hostile: pages escape,
 * clean and isolate it.
 *
 * Optional means "leave it out"; `null` inside a list means "not known".
 */
export interface PageModels {
  login: LoginModel
  consent: ConsentModel
  device: DeviceModel
  'device-done': DeviceDoneModel
  logout: LogoutModel
  'logged-out': LoggedOutModel
  error: ErrorModel
  expired: ExpiredModel
  account: AccountModel
  'not-found': NotFoundModel
}

export type PageName = keyof PageModels

/**
 * Sign-in. Posts `csrf`, `login`, `password` to `action`; the cancel button posts `csrf` to `cancelAction`.
 * A password is never handed back to the page.
 */
export interface LoginModel {
  action: string
  csrf: string
  clientName: string
  /** What was typed last time, or `login_hint` of the request. */
  loginHint?: string | undefined
  /** `wrong` stands for an unknown name, a wrong password and a disabled account alike: one text, so that none can be told apart. */
  error?: 'wrong' | 'throttled' | 'busy' | undefined
  /** With `throttled` or `busy`: when to try again. */
  retryAfterSeconds?: number | undefined
  /** The person is signed in already and asked for another account. */
  switchAccount?: boolean | undefined
  cancelAction: string
}

/**
 * Consent. One form with two submit buttons of equal size, both sending `csrf`: "allow" posts `decision=allow` to `action`,
 * "deny" posts `decision=deny` to `cancelAction` (by `formaction`). "Use another account" is a form of its own that posts
 * `csrf` to `switchAccountAction`.
 */
export interface ConsentModel {
  action: string
  csrf: string
  cancelAction: string
  clientName: string
  clientId: string
  /** The client's home page; shown only if it is an http(s) address. */
  clientUri?: string | undefined
  /** Host of the redirect URI, or the scheme of a custom-scheme URI; left out when the answer goes to a device. */
  redirectHost?: string | undefined
  /** The device that the answer goes to, by the code that it shows. */
  userCode?: string | undefined
  redirectIsLoopback: boolean
  user: Person
  scopes: ScopeGroup[]
  /** How long one access token lives. */
  accessSeconds: number
  /**
   * How long the client can renew its access, or null when it cannot: `session`: as long as this browser stays signed in, at
   * most `seconds`; `absolute`: `seconds`, signed in or not.
   */
  offline: { bound: 'session' | 'absolute'; seconds: number } | null
  /** Whether the answer will be kept, so that the same client is not asked about again. */
  remembered: boolean
  firstParty: boolean
  switchAccountAction: string
}

/**
 * The code that a device shows. Posts `xsrf`, `user_code`, `confirm=yes`, and `switch_account` (`yes` or `no`) to `action`.
 */
export interface DeviceModel {
  action: string
  xsrf: string
  /** As it was typed, or as it came with the address. */
  userCode?: string | undefined
  /** It came with the address: the person compares it with the device and types nothing. */
  isGiven: boolean
  switchAccount: boolean
  problem?: 'missing' | 'unknown' | 'expired' | 'used' | 'throttled' | undefined
  /** With `throttled`: when to try again. */
  retryAfterSeconds?: number | undefined
}

/** The device has its answer. */
export interface DeviceDoneModel {
  outcome: 'approved' | 'refused'
  clientName?: string | undefined
}

export interface ScopeGroup {
  /** Name of the resource, or "Your account", in the reader's language. */
  group: string
  items: ScopeItem[]
}

export interface ScopeItem {
  name: string
  /** In the reader's language; when empty, the name stands alone. */
  description: string
  alreadyGranted: boolean
}

/**
 * Whether to sign out. Posts to the provider's own end-session confirmation: field `xsrf`, and `logout=yes` for the whole session; without
 * `logout` the provider ends this client's part only (offered when there is a client). Staying signed in is a link to
 * /account.
 */
export interface LogoutModel {
  action: string
  xsrf: string
  clientName?: string | undefined
}

/** After signing out: of one client when it is named (the session here goes on), else of everything. */
export interface LoggedOutModel {
  clientName?: string | undefined
}

/** An OAuth error that cannot be sent back to the client. Shows nothing of the request but what stands here. */
export interface ErrorModel {
  /** The OAuth error code. */
  code: string
  /** `error_description`, in English, for whoever develops the client. */
  description?: string | undefined
  clientName?: string | undefined
  traceId: string
  /** A sentence for the reader, in the reader's language: what to do in this very case. */
  hint?: string | undefined
}

/** The interaction has expired, was finished already, or belongs to another browser. */
export interface ExpiredModel {
  clientName?: string | undefined
  /** Where to begin again: an http(s) address or a path of ours. */
  restartUri?: string | undefined
}

/**
 * The signed-in person's own page. Forms, each with `csrf`: /account/sessions/end (`uid`), /account/sessions/end-others,
 * /account/apps/revoke (`client_id`), /account/password (`current_password`, `new_password`, `repeat_password`), and
 * `signOutAction`.
 */
export interface AccountModel {
  csrf: string
  user: Person
  sessions: SessionItem[]
  apps: AppItem[]
  notice?: 'session-ended' | 'access-revoked' | 'password-changed' | 'others-ended' | undefined
  /** One of the known reasons, or a sentence in the reader's language. */
  passwordError?: PasswordError | (string & {}) | undefined
  signOutAction: string
}

/** Why a password was not changed: what the form can tell, what the registry objects to, and a server with no time to check. */
export type PasswordError = 'wrong-current' | 'mismatch' | 'throttled' | 'busy' | PasswordProblem

export interface Person {
  name: string | null
  username: string
}

export interface SessionItem {
  uid: string
  /** The session that this page is read in. */
  current: boolean
  /** The raw `User-Agent` header. */
  userAgent: string | null
  address: string | null
  signedInAt: Date | null
  lastSeenAt: Date
}

export interface AppItem {
  clientId: string
  name: string
  firstParty: boolean
  scopes: { name: string; description: string }[]
  since: Date | null
  lastUsedAt: Date | null
  /** How many devices or browsers hold access right now. */
  families: number
}

/** A page of the browser's side that does not exist. */
export type NotFoundModel = Record<never, never>

type OptionalKeys<T> = { [K in keyof T]-?: Record<never, never> extends Pick<T, K> ? K : never }[keyof T]

/** The fields that a page may be left without, so that the renderer can tell them from a misspelt one. */
export const OPTIONAL_FIELDS: { [P in PageName]: Record<OptionalKeys<PageModels[P]>, null> } = {
  login: { loginHint: null, error: null, retryAfterSeconds: null, switchAccount: null },
  consent: { clientUri: null, redirectHost: null, userCode: null },
  device: { userCode: null, problem: null, retryAfterSeconds: null },
  'device-done': { clientName: null },
  logout: { clientName: null },
  'logged-out': { clientName: null },
  error: { description: null, clientName: null, hint: null },
  expired: { clientName: null, restartUri: null },
  account: { notice: null, passwordError: null },
  'not-found': {},
}

/**
 * The family of refresh tokens that one sign-in began, as this page knows it.
 *
 *   current ──used──▶ used ──presented again──▶ replayed
 *      └────────────────┴── after the window ─────┴──▶ dead, all of them
 */

/**
 * @typedef {'current' | 'used' | 'replayed' | 'dead'} State
 * @typedef {{ token: string, state: State, usedAt?: number }} Member
 * @typedef {{ members: Member[] }} Family
 */

/** For how long the server takes a repeated refresh token for a lost answer; its default. */
export const WINDOW_MS = 10_000

/** @param {string} token @returns {Family} */
export function beginFamily(token) {
  return { members: [{ token, state: 'current' }] }
}

/** The newest token. @param {Family} family */
export function newest({ members }) {
  return /** @type {Member} */ (members.at(-1))
}

/** The token that the newest one replaced. @param {Family} family */
export function previous({ members }) {
  return members.at(-2)
}

/** @param {Family} family */
export function isDead(family) {
  return newest(family).state === 'dead'
}

/** The newest token was used and gave a successor. @param {Family} family @param {string} successor @param {number} now */
export function succeed(family, successor, now) {
  const used = newest(family)
  used.state = 'used'
  used.usedAt = now
  family.members.push({ token: successor, state: 'current' })
}

/** The token before the newest was presented again, and the server answered. @param {Family} family */
export function replay(family) {
  const old = previous(family)
  if (old) old.state = 'replayed'
}

/** @param {Family} family */
export function end({ members }) {
  for (const member of members) member.state = 'dead'
}

/** Milliseconds until the window of the previous token is over; 0 when it is. @param {Family} family @param {number} now */
export function windowLeft(family, now) {
  const usedAt = previous(family)?.usedAt
  return usedAt === undefined ? 0 : Math.max(0, usedAt + WINDOW_MS - now)
}

/** Latency in ms. */
export interface Latency {
  p50: number
  p95: number
  p99: number
  max: number
}

/** The middle value; of an even number of values the mean of the two in the middle. @returns NaN of none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return (sorted[Math.ceil(middle) - 1]! + sorted[Math.floor(middle)]!) / 2
}

/**
 * The least value that this part of all values does not exceed (nearest rank): no value is made up that was not measured.
 * @param part from 0 to 1
 */
export function percentile(values: readonly number[] | Float64Array, part: number): number {
  return ofSorted(Float64Array.from(values).sort(), part)
}

function ofSorted(sorted: Float64Array, part: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? Number.NaN
}

export function latencyOf(milliseconds: readonly number[]): Latency {
  const sorted = Float64Array.from(milliseconds).sort()
  return {
    p50: ofSorted(sorted, 0.5),
    p95: ofSorted(sorted, 0.95),
    p99: ofSorted(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  }
}

/** Growth of y for each x by least squares. */
export function slope(points: readonly { x: number; y: number }[]): number {
  const mean = (of: (point: { x: number; y: number }) => number) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length
  const [x, y] = [mean((point) => point.x), mean((point) => point.y)]
  const spread = points.reduce((sum, point) => sum + (point.x - x) ** 2, 0)
  return points.reduce((sum, point) => sum + (point.x - x) * (point.y - y), 0) / spread
}

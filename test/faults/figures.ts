/** A row of figures, shown with the result of a run. */

/** The length of the proof: 1 in the ordinary run. */
export const ROUNDS = Number(process.env.FAULT_ROUNDS ?? 1)

/** Names that end in `Ms` are times. */
export function figures(fault: string, values: Readonly<Record<string, number | string>>): string {
  const told = Object.entries(values).map(([name, value]) =>
    name.endsWith('Ms') ? `${name.slice(0, -2)} after ${(Number(value) / 1000).toFixed(1)} s` : `${name} ${value}`,
  )
  return `shown: ${fault}: ${told.join(', ')}`
}

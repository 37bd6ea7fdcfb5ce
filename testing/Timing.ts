/** Whether somebody who measures could tell one answer from another: for what must not be told by the time it takes. */

/** How long each kind took in each round, in milliseconds. */
export type Times<Kind> = ReadonlyMap<Kind, ReadonlyArray<number>>

/**
 * Asks once of each kind in every round, each time in another order: whatever else the machine does meanwhile falls on
 * all of them alike.
 */
export const interleaved = async <Kind>(
  kinds: ReadonlyArray<Kind>,
  rounds: number,
  ask: (kind: Kind) => Promise<void>
): Promise<Times<Kind>> => {
  const times = new Map<Kind, Array<number>>(kinds.map((kind) => [kind, []]))
  for (let round = 0; round < rounds; round++) {
    const first = round % kinds.length
    const turned = [...kinds.slice(first), ...kinds.slice(0, first)]
    for (const kind of Math.floor(round / kinds.length) % 2 === 0 ? turned : turned.toReversed()) {
      const before = performance.now()
      await ask(kind)
      times.get(kind)?.push(performance.now() - before)
    }
  }
  return times
}

export interface Separation {
  /** How often one of the first takes longer than one of the second: 0.5 tells nothing, 0 and 1 tell all (the AUC). */
  readonly share: number
  /** How many standard deviations that is from what chance makes of two that are the same (Mann–Whitney). */
  readonly deviations: number
}

export const separation = (first: ReadonlyArray<number>, second: ReadonlyArray<number>): Separation => {
  let longer = 0
  for (const a of first) for (const b of second) longer += a > b ? 1 : a === b ? 0.5 : 0
  const pairs = first.length * second.length
  const share = longer / pairs
  const deviation = Math.sqrt((first.length + second.length + 1) / (12 * pairs))
  return { share, deviations: (share - 0.5) / deviation }
}

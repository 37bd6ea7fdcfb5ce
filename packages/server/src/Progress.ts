import * as Effect from "effect/Effect"

/** Tells a person who waits what takes the time. */
export const step = (what: string): Effect.Effect<void> => say(`  · ${what}`)

/** Writes a line for a person, past the log. */
export const say = (line: string): Effect.Effect<void> =>
  Effect.sync(() => {
    process.stdout.write(`${line}\n`)
  })

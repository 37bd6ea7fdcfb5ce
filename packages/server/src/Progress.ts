import * as Effect from "effect/Effect"

/** Whether the last line of the terminal is one that is drawn over again. There is one terminal. */
let hasLine = false

/** Takes away what `line` drew, so that something else can be written. */
export const clearLine = (): void => {
  if (hasLine) process.stdout.write("\r\u001b[2K")
  hasLine = false
}

/** Draws the last line of the terminal over again, cut to its width. */
export const line = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    clearLine()
    process.stdout.write(text.slice(0, (process.stdout.columns ?? 80) - 1))
    hasLine = true
  })

/** Tells a person who waits what takes the time. */
export const step = (what: string): Effect.Effect<void> => say(`  · ${what}`)

/** Writes a line for a person, past the log. */
export const say = (text: string): Effect.Effect<void> =>
  Effect.sync(() => {
    clearLine()
    process.stdout.write(`${text}\n`)
  })

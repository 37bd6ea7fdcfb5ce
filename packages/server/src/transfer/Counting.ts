import * as Effect from "effect/Effect"

const shownEvery = 5000

/** Tells a person at a terminal how far it is, on standard error: standard output may be the file. */
export const counter = (what: string) => {
  let count = 0
  const isShown = process.stderr.isTTY
  return {
    add: (): void => {
      count += 1
      if (isShown && count % shownEvery === 0) process.stderr.write(`\r${what} ${count.toLocaleString("en")} lines`)
    },
    end: Effect.sync(() => {
      if (isShown && count >= shownEvery) process.stderr.write("\r\u001b[2K")
    })
  }
}

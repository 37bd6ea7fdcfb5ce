import { appendFileSync, copyFileSync, readFileSync, truncateSync } from "node:fs"
import { get } from "node:http"
import { join } from "node:path"

import * as Effect from "effect/Effect"

import * as TestMedia from "./TestMedia.ts"

/** A film with a gap behind it (ISO 14496-12, 8.1.2), of which the disk holds nothing: as long as `sizeBytes`. */
export const longFilm = Effect.fnUntraced(function* (folder: string, sizeBytes: number) {
  const long = join(folder, "long.mp4")
  copyFileSync(yield* TestMedia.video(), long)
  const header = Buffer.alloc(8)
  header.writeUInt32BE(sizeBytes - readFileSync(long).length)
  header.write("free", 4)
  appendFileSync(long, header)
  truncateSync(long, sizeBytes)
  return long
})

/** Reads sip by sip, as a player does whose buffer is full; gives how much it got, and whether that was all. */
export const sip = (base: string, path: string, began: () => void) =>
  Effect.callback<{ readonly bytes: number; readonly complete: boolean }>((resume) => {
    const sent = get(new URL(path, base), { agent: false }, (response) => {
      let bytes = 0
      response.on("data", (chunk: Buffer) => {
        if (bytes === 0) began()
        bytes += chunk.length
        response.pause()
        setTimeout(() => response.resume(), 10)
      })
      response.on("error", () => {})
      response.on("close", () => resume(Effect.succeed({ bytes, complete: response.complete })))
    })
    sent.on("error", (cause) => resume(Effect.die(cause)))
    return Effect.sync(() => sent.destroy())
  })

import * as Fs from "node:fs"
import type { ServerResponse } from "node:http"

import * as Effect from "effect/Effect"

/**
 * Sends bytes of an open file with two buffers in turn, the next read under way while the last one is written: a third
 * faster than a stream of the file, and flat in memory however slow the reader is, because a buffer is read into again
 * only when the socket has taken what it held.
 */

const bufferBytes = 512 * 1024
/** Buffers to keep for the next answer: fresh ones cost more in page faults than the copying. */
const keptBuffers = 32
const free: Array<Buffer> = []

const take = () => free.pop() ?? Buffer.allocUnsafeSlow(bufferBytes)
const giveBack = (buffer: Buffer) => {
  if (free.length < keptBuffers) free.push(buffer)
}

const noop = () => undefined as void

/**
 * Writes the bytes `start` to `end` (included) and ends the answer. Succeeds when everything was handed to the socket or
 * the client went away; a file that turns out shorter cuts the connection, so that nobody takes a part for the whole.
 * The descriptor is not used any more once the effect has ended, interrupted or not.
 */
export const send = (
  response: ServerResponse,
  file: { readonly fd: number; readonly start: number; readonly end: number }
): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    const idle = [take(), take()]
    let position = file.start
    let reading = false
    let stopped = false
    let whenRead = noop

    const finish = () => {
      response.off("close", stop)
      // A buffer that the socket still holds is not given back: the garbage collector takes it when the socket is done.
      idle.forEach(giveBack)
      resume(Effect.void)
    }
    const stop = () => {
      stopped = true
      if (!reading) finish()
    }
    const pump = () => {
      if (reading || stopped) return
      if (position > file.end) {
        if (idle.length < 2) return
        response.end()
        return finish()
      }
      const buffer = idle.pop()
      if (buffer === undefined) return
      reading = true
      Fs.read(file.fd, buffer, 0, Math.min(bufferBytes, file.end + 1 - position), position, (error, bytesRead) => {
        reading = false
        whenRead()
        if (stopped || error !== null || bytesRead === 0) {
          idle.push(buffer)
          if (stopped) return finish()
          response.destroy()
          return stop()
        }
        position += bytesRead
        response.write(bytesRead === bufferBytes ? buffer : buffer.subarray(0, bytesRead), () => {
          if (stopped) return
          idle.push(buffer)
          pump()
        })
        pump()
      })
    }

    response.once("close", stop)
    pump()

    return Effect.callback<void>((done) => {
      stopped = true
      response.destroy()
      if (!reading) return done(Effect.void)
      whenRead = () => done(Effect.void)
    })
  })

import * as Fs from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as FileSender from "@joy/server/http/FileSender"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

const size = 3 * 1024 * 1024 + 17
const content = Buffer.alloc(size, "0123456789abcdef")

const opened = Effect.acquireRelease(
  Effect.sync(() => {
    const folder = Fs.mkdtempSync(join(tmpdir(), "joy-sender-"))
    const path = join(folder, "file")
    Fs.writeFileSync(path, content)
    return { folder, path, fd: Fs.openSync(path, "r+") }
  }),
  ({ fd, folder }) =>
    Effect.sync(() => {
      Fs.closeSync(fd)
      Fs.rmSync(folder, { recursive: true })
    })
)

/** A server that answers with `respond`, and the URL to ask. */
const serving = (respond: (response: ServerResponse) => void) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = createServer((_request, response) => respond(response)).listen(0, "127.0.0.1", () =>
        resume(
          Effect.succeed({
            url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
            close: () => {
              server.close()
              server.closeAllConnections()
            }
          })
        )
      )
    }),
    ({ close }) => Effect.sync(close)
  )

/** Sends on each request; `ended` completes when the effect has. */
const sending = Effect.fnUntraced(function* (file: {
  readonly fd: number
  readonly start: number
  readonly end: number
}) {
  const ended = yield* Deferred.make<void>()
  const { url } = yield* serving((response) => {
    response.writeHead(200, { "content-length": file.end + 1 - file.start })
    Effect.runFork(Effect.andThen(FileSender.send(response, file), Deferred.succeed(ended, undefined)))
  })
  return { url, ended: Deferred.await(ended) }
})

const get = (url: string) => Effect.tryPromise(async () => Buffer.from(await (await fetch(url)).arrayBuffer()))

describe("sending a file", () => {
  for (const [start, end] of [
    [0, size - 1],
    [0, 0],
    [size - 1, size - 1],
    [524_287, 524_288],
    [1, 2_000_000]
  ] as const) {
    it.live(`sends the bytes ${start} to ${end} in their order`, () =>
      Effect.gen(function* () {
        const { fd } = yield* opened
        const { ended, url } = yield* sending({ fd, start, end })
        assert.isTrue((yield* get(url)).equals(content.subarray(start, end + 1)))
        yield* ended
      })
    )
  }

  it.live("sends to many at once", () =>
    Effect.gen(function* () {
      const { fd } = yield* opened
      const { url } = yield* sending({ fd, start: 0, end: size - 1 })
      const all = yield* Effect.all(
        Array.from({ length: 20 }, () => get(url)),
        { concurrency: 20 }
      )
      assert.isTrue(all.every((bytes) => bytes.equals(content)))
    })
  )

  it.live("cuts the connection when the file turns out shorter, so that nobody takes a part for the whole", () =>
    Effect.gen(function* () {
      const { fd } = yield* opened
      Fs.ftruncateSync(fd, 1_000_000)
      const { ended, url } = yield* sending({ fd, start: 0, end: size - 1 })
      assert.isTrue(yield* Effect.isFailure(get(url)))
      yield* ended
    })
  )

  it.live("ends when the client goes away", () =>
    Effect.gen(function* () {
      const { fd } = yield* opened
      const { ended, url } = yield* sending({ fd, start: 0, end: size - 1 })
      const abort = new AbortController()
      const answer = yield* Effect.promise(() => fetch(url, { signal: abort.signal }))
      yield* Effect.promise(async () => answer.body?.getReader().read())
      abort.abort()
      yield* ended
    })
  )

  it.live("leaves the descriptor alone once it was interrupted", () =>
    Effect.gen(function* () {
      const { fd } = yield* opened
      const started = yield* Deferred.make<Fiber.Fiber<void>>()
      const { url } = yield* serving((response) => {
        response.writeHead(200, { "content-length": size })
        const fiber = Effect.runFork(FileSender.send(response, { fd, start: 0, end: size - 1 }))
        Effect.runSync(Deferred.succeed(started, fiber))
      })
      const request = yield* Effect.forkChild(Effect.exit(get(url)))
      yield* Fiber.interrupt(yield* Deferred.await(started))
      // From here on the number may belong to another file.
      Fs.ftruncateSync(fd, 0)
      yield* Fiber.join(request)
    })
  )
})

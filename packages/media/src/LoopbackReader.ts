import { randomBytes } from "node:crypto"
import * as http from "node:http"

import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged } from "@joy/storage/StoreError"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import { MediaResourceExceeded, type StoreFailure } from "./MediaError.ts"
import { readLocal } from "./ObjectBytes.ts"

/** One version of one object behind a secret URL of this machine, until the scope that asked for it closes. */
export interface ServedObject {
  /** `http://127.0.0.1:<port>/<32 hex digits>/media`: says nothing about the object, works for nobody who has not seen it. */
  readonly url: string
  /** Bytes given to readers and requests answered so far. */
  readonly stats: { readonly bytes: number; readonly reads: number }
  /**
   * Why a reader was cut off, if one was: to be asked when a tool failed, whose own message ("Invalid data", "Input/output
   * error") then is a consequence. For a file it looks again, since an open file doesn't tell that it was replaced.
   */
  readonly failure: Effect.Effect<StoreFailure | MediaResourceExceeded | null>
}

export class LoopbackReader extends Context.Service<
  LoopbackReader,
  {
    readonly serve: (
      store: ObjectStore,
      object: StoredObject,
      options: {
        /** For errors. */
        readonly step: string
        /** Most bytes that may be read, over all requests. Default: four times the object and 64 MiB. */
        readonly budgetBytes?: number | undefined
      }
    ) => Effect.Effect<ServedObject, StoreFailure, Scope.Scope>
  }
>()("@joy/media/LoopbackReader") {}

interface Entry {
  readonly store: ObjectStore
  readonly object: StoredObject
  readonly step: string
  readonly fd: number | null
  readonly budgetBytes: number
  readonly stats: { bytes: number; reads: number }
  readonly transfers: Map<Fiber.Fiber<unknown, unknown>, http.ServerResponse>
  failure: StoreFailure | MediaResourceExceeded | null
}

const chunkBytes = 256 * 2 ** 10

/** RFC 9110, 14.1.2: one range of bytes. `null` for no header or one that is not understood, which means the whole. */
const parseRange = (
  header: string | undefined,
  size: number
): { start: number; end: number } | "unsatisfiable" | null => {
  const match = header === undefined ? null : /^bytes=(\d*)-(\d*)$/.exec(header)
  if (match === null || (match[1] === "" && match[2] === "")) return null
  if (match[1] === "") {
    const length = Math.min(Number(match[2]), size)
    return length === 0 ? "unsatisfiable" : { start: size - length, end: size - 1 }
  }
  const start = Number(match[1])
  const end = match[2] === "" ? size - 1 : Math.min(Number(match[2]), size - 1)
  return start >= size || end < start ? "unsatisfiable" : { start, end }
}

/** Hands bytes to the socket and comes back when they are gone: back-pressure, and the buffer may be used again. */
const send = (response: http.ServerResponse, bytes: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    // The callback of a write to a closed socket may never come: then the fiber is interrupted by "close".
    response.write(bytes, () => resume(Effect.void))
  })

const take = Effect.fnUntraced(function* (entry: Entry, bytes: number) {
  if (entry.stats.bytes + bytes > entry.budgetBytes) {
    return yield* new MediaResourceExceeded({ step: entry.step, resource: "input" })
  }
  entry.stats.bytes += bytes
})

const sendLocal = Effect.fnUntraced(function* (
  entry: Entry,
  fd: number,
  response: http.ServerResponse,
  start: number,
  end: number
) {
  // One buffer a request: a chunk is gone before the next one is read.
  const buffer = Buffer.allocUnsafe(Math.min(chunkBytes, end - start + 1))
  let position = start
  while (position <= end) {
    const count = yield* readLocal(fd, buffer, 0, Math.min(buffer.length, end - position + 1), position)
    if (count === 0) return yield* new ObjectChanged({ key: entry.object.key })
    yield* take(entry, count)
    yield* send(response, buffer.subarray(0, count))
    position += count
  }
})

const sendRemote = Effect.fnUntraced(
  function* (entry: Entry, response: http.ServerResponse, start: number, end: number) {
    const body = yield* entry.store.read(entry.object.key, { range: { start, end }, ifMatch: entry.object.etag })
    yield* Stream.runForEach(body.stream, (chunk) => Effect.andThen(take(entry, chunk.length), send(response, chunk)))
  },
  Effect.scoped,
  Effect.catchTag("RangeNotSatisfiable", ({ key }) => new ObjectChanged({ key }))
)

const answer = Effect.fnUntraced(function* (
  entries: ReadonlyMap<string, Entry>,
  request: http.IncomingMessage,
  response: http.ServerResponse
) {
  const match = /^\/([0-9a-f]{32})\/media$/.exec(request.url ?? "")
  const entry = match?.[1] === undefined ? undefined : entries.get(match[1])
  if (entry === undefined) return void response.writeHead(404).end()
  if (request.method !== "GET" && request.method !== "HEAD") {
    return void response.writeHead(405, { Allow: "GET, HEAD" }).end()
  }
  const size = entry.object.sizeBytes
  const range = parseRange(request.headers.range, size)
  // A type that says nothing: tools must look at the bytes, and only at those.
  const headers = { "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream", Connection: "close" }
  entry.stats.reads += 1
  if (range === "unsatisfiable") {
    return void response.writeHead(416, { ...headers, "Content-Range": `bytes */${size}` }).end()
  }
  const { start, end } = range ?? { start: 0, end: size - 1 }
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    "Content-Length": end - start + 1,
    ...(range === null ? {} : { "Content-Range": `bytes ${start}-${end}/${size}` })
  })
  if (request.method === "HEAD" || size === 0) return void response.end()
  const transfer =
    entry.fd === null ? sendRemote(entry, response, start, end) : sendLocal(entry, entry.fd, response, start, end)
  yield* Effect.withFiber((fiber) => {
    entry.transfers.set(fiber, response)
    return transfer.pipe(
      Effect.match({
        onSuccess: () => void response.end(),
        onFailure: (failure) => {
          entry.failure ??= failure
          response.destroy()
        }
      }),
      Effect.ensuring(Effect.sync(() => entry.transfers.delete(fiber)))
    )
  })
})

const listen = (server: http.Server): Effect.Effect<number> =>
  Effect.callback((resume) => {
    server.once("error", (error) => resume(Effect.die(error)))
    server.listen({ host: "127.0.0.1", port: 0 }, () => {
      const address = server.address()
      resume(
        typeof address === "object" && address !== null
          ? Effect.succeed(address.port)
          : Effect.die(new Error("The loopback reader has no port"))
      )
    })
  })

const close = (server: http.Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

export const layer: Layer.Layer<LoopbackReader> = Layer.effect(
  LoopbackReader,
  Effect.gen(function* () {
    const entries = new Map<string, Entry>()
    const run = yield* FiberSet.makeRuntime()
    const server = yield* Effect.acquireRelease(
      Effect.sync(() =>
        http.createServer((request, response) => {
          const fiber = run(answer(entries, request, response))
          response.on("close", () => fiber.interruptUnsafe())
        })
      ),
      close
    )
    const port = yield* listen(server)

    const serve = Effect.fn("LoopbackReader.serve")(function* (
      store: ObjectStore,
      object: StoredObject,
      options: { readonly step: string; readonly budgetBytes?: number | undefined }
    ) {
      const local = yield* store.openLocal(object.key, { ifMatch: object.etag })
      const secret = randomBytes(16).toString("hex")
      const entry: Entry = {
        store,
        object,
        step: options.step,
        fd: local === null ? null : local.fd,
        budgetBytes: options.budgetBytes ?? object.sizeBytes * 4 + 64 * 2 ** 20,
        stats: { bytes: 0, reads: 0 },
        transfers: new Map(),
        failure: null
      }
      yield* Effect.acquireRelease(
        Effect.sync(() => entries.set(secret, entry)),
        // Waits for reads in flight, so that the file is closed after the last of them.
        () =>
          Effect.suspend(() => {
            entries.delete(secret)
            for (const response of entry.transfers.values()) response.destroy()
            return Fiber.interruptAll([...entry.transfers.keys()])
          })
      )
      const failure = Effect.suspend(() => {
        if (entry.failure !== null || entry.fd === null) return Effect.succeed(entry.failure)
        return store.head(object.key).pipe(
          Effect.match({
            onFailure: (failure) => failure,
            onSuccess: (now) => (now.etag === object.etag ? null : new ObjectChanged({ key: object.key }))
          })
        )
      })
      return { url: `http://127.0.0.1:${port}/${secret}/media`, stats: entry.stats, failure }
    })

    return LoopbackReader.of({ serve })
  })
)

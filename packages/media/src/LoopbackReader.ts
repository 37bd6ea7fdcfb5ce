import { randomBytes } from "node:crypto"
import * as http from "node:http"

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"

import { MediaResourceExceeded, type StoreFailure } from "./MediaError.ts"
import * as ReadMetrics from "./ReadMetrics.ts"
import * as Served from "./Served.ts"

/** What is served behind a secret URL of this machine, until the scope that asked for it closes. */
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
      served: Served.Served,
      options: {
        /** For errors. */
        readonly step: string
        /** Most bytes that may be read, over all requests. Default: four times what is served, and 64 MiB. */
        readonly budgetBytes?: number | undefined
      }
    ) => Effect.Effect<ServedObject, StoreFailure, Scope.Scope>
  }
>()("@joy/media/LoopbackReader") {}

interface Entry {
  readonly source: Served.Source
  readonly step: string
  readonly budgetBytes: number
  readonly stats: { bytes: number; reads: number }
  readonly transfers: Map<Fiber.Fiber<unknown, unknown>, http.ServerResponse>
  failure: StoreFailure | MediaResourceExceeded | null
}

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
  const size = entry.source.sizeBytes
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
  const take = Effect.fnUntraced(function* (bytes: number) {
    if (entry.stats.bytes + bytes > entry.budgetBytes) {
      return yield* new MediaResourceExceeded({ step: entry.step, resource: "input" })
    }
    entry.stats.bytes += bytes
    yield* ReadMetrics.count(entry.step, bytes)
  })
  const transfer = entry.source.send(response, { start, end }, take)
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
      served: Served.Served,
      options: { readonly step: string; readonly budgetBytes?: number | undefined }
    ) {
      const source = yield* Served.open(served)
      const secret = randomBytes(16).toString("hex")
      const entry: Entry = {
        source,
        step: options.step,
        budgetBytes: options.budgetBytes ?? source.sizeBytes * 4 + 64 * 2 ** 20,
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
      const failure = Effect.suspend(() => (entry.failure === null ? source.recheck : Effect.succeed(entry.failure)))
      return { url: `http://127.0.0.1:${port}/${secret}/media`, stats: entry.stats, failure }
    })

    return LoopbackReader.of({ serve })
  })
)

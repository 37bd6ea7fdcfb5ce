import { closeSync, createReadStream, existsSync, openSync, readSync } from "node:fs"
import { link, open, rm } from "node:fs/promises"
import { resolve } from "node:path"
import { pipeline, type Readable } from "node:stream"
import { createGunzip, gzip } from "node:zlib"

import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import { FileFailed, LineInvalid } from "./TransferError.ts"

/** Files of lines, which are written whole or not at all, and read in little memory whatever is in them. */

/** No line of ours comes near; whatever has more is no file of ours. */
const mostCharacters = 16 * 1024 * 1024
const blockCharacters = 256 * 1024

const reasonOf = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause))
const failed = (path: string) => (cause: unknown) => new FileFailed({ path, reason: reasonOf(cause) })

/** Where blocks of bytes go. */
interface Sink {
  readonly write: (bytes: string | Uint8Array) => Effect.Effect<void, FileFailed>
  /** What was written is there from now on. */
  readonly finish: Effect.Effect<void, FileFailed>
}

const standardOutput: Sink = {
  write: (bytes) =>
    Effect.callback((resume) => {
      process.stdout.write(bytes, (cause) =>
        resume(cause == null ? Effect.void : Effect.fail(failed("standard output")(cause)))
      )
    }),
  finish: Effect.void
}

/** A file that only its owner reads. It gets its name when it is whole, and never takes the place of another one. */
const newFile = (target: string): Effect.Effect<Sink, FileFailed, Scope.Scope> => {
  const path = resolve(target)
  const partial = `${path}.${process.pid}.partial`
  const attempt = <A>(use: () => Promise<A>) => Effect.tryPromise({ try: use, catch: failed(path) })
  const free = Effect.suspend(() =>
    existsSync(path) ? Effect.fail(new FileFailed({ path, reason: "there is such a file already" })) : Effect.void
  )
  return Effect.map(
    Effect.acquireRelease(
      Effect.andThen(
        free,
        attempt(() => open(partial, "wx", 0o600))
      ),
      (file) =>
        Effect.ignore(
          Effect.andThen(
            attempt(() => file.close()),
            attempt(() => rm(partial, { force: true }))
          )
        )
    ),
    (file) => ({
      write: (bytes) => attempt(() => file.appendFile(bytes)),
      finish: Effect.andThen(
        attempt(() => file.sync()),
        attempt(() => link(partial, path))
      )
    })
  )
}

const compressed = (text: string) =>
  Effect.callback<Uint8Array>((resume) => {
    gzip(text, (cause, bytes) => resume(cause === null ? Effect.succeed(bytes) : Effect.die(cause)))
  })

/** Writes what `body` puts into a new file, or to standard output without one. Members of gzip may follow each other. */
export const write = Effect.fnUntraced(function* <A, E, R>(
  target: string | null,
  options: { readonly gzip: boolean },
  body: (put: (line: string) => Effect.Effect<void, FileFailed>) => Effect.Effect<A, E, R>
) {
  const sink = target === null ? standardOutput : yield* newFile(target)
  let block = ""
  const flush = Effect.suspend(() => {
    const text = block
    block = ""
    return options.gzip ? Effect.flatMap(compressed(text), sink.write) : sink.write(text)
  })
  const result = yield* body((line) => {
    block += `${line}\n`
    return block.length < blockCharacters ? Effect.void : flush
  })
  yield* flush
  yield* sink.finish
  return result
}, Effect.scoped)

const isGzip = (path: string) => {
  const file = openSync(path, "r")
  const magic = Buffer.alloc(2)
  readSync(file, magic, 0, 2, 0)
  closeSync(file)
  return magic[0] === 0x1f && magic[1] === 0x8b
}

const source = (path: string): Readable =>
  isGzip(path) ? pipeline(createReadStream(path), createGunzip(), () => undefined) : createReadStream(path)

/** What a line says; `undefined` for what is no JSON. */
export const parse = (text: string): unknown => Result.getOrUndefined(Result.try((): unknown => JSON.parse(text)))

/** The lines of a file, gzipped or not, each with its number from 1. */
export const read = (
  target: string
): Stream.Stream<{ readonly text: string; readonly line: number }, FileFailed | LineInvalid> => {
  const path = resolve(target)
  const bytes = Stream.suspend(() =>
    NodeStream.fromReadable({ evaluate: () => source(path), onError: failed(path) })
  ).pipe(Stream.catchDefect((cause) => Stream.fail(failed(path)(cause))))
  return bytes.pipe(
    Stream.decodeText,
    Stream.concat(Stream.succeed("\n")),
    Stream.mapAccumEffect(
      () => ({ rest: "", line: 0 }),
      (state, text) => {
        const parts = (state.rest + text).split("\n")
        const rest = parts.pop() ?? ""
        const lines = parts.map((part, at) => ({ text: part, line: state.line + 1 + at }))
        return rest.length > mostCharacters
          ? Effect.fail(new LineInvalid({ path, line: state.line + parts.length + 1, reason: "has no end" }))
          : Effect.succeed([{ rest, line: state.line + parts.length }, lines] as const)
      }
    ),
    Stream.filter(({ text }) => text.trim() !== "")
  )
}

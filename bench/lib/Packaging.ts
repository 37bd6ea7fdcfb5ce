import { readSync } from "node:fs"
import { basename, dirname, join } from "node:path"

import { MediaItemId } from "@joy/domain/Ids"
import { ObjectKey } from "@joy/domain/StoredObject"
import { Hls, type HlsPart } from "@joy/playback/Hls"
import type { SourceVersion } from "@joy/playback/SourceVersion"
import * as FolderStore from "@joy/storage/FolderStore"
import { type ObjectStore, SourceStore } from "@joy/storage/ObjectStore"
import { validateMedia } from "@joy/testing/HlsValidator"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** Packaging in this process, without anything around it. */

const itemId = MediaItemId.make("0197b0a0-0000-7000-8000-000000000001")

const versionOf = Effect.fnUntraced(function* (path: string) {
  const { etag, key, sizeBytes } = yield* (yield* SourceStore).head(ObjectKey.make(basename(path)))
  return { itemId, etag, key, sizeBytes } satisfies SourceVersion
})

const over = (store: Layer.Layer<SourceStore>, derived: string) =>
  Hls.layer.pipe(Layer.provide(FolderStore.layerDerived(derived)), Layer.provideMerge(store))

/** A buffer that is used again, as the edge does. */
const buffer = Buffer.allocUnsafeSlow(512 * 1024)

/** Takes all bytes of a part, and counts them. */
const consume = Effect.fnUntraced(function* ({ body, head }: HlsPart) {
  if (body === null) return head.length
  if (body._tag === "Stream") {
    return yield* Stream.runFold(
      body.stream,
      () => head.length,
      (sum, chunk) => sum + chunk.length
    )
  }
  for (let at = body.start; at <= body.end;) {
    at += readSync(body.file.fd, buffer, 0, Math.min(buffer.length, body.end + 1 - at), at)
  }
  return head.length + body.end + 1 - body.start
})

/** CPU of a segment, in milliseconds: its header made and its bytes read, of a file in the page cache. */
export const segmentCpu = (path: string, segments: number): Promise<ReadonlyArray<number>> =>
  Effect.gen(function* () {
    const hls = yield* Hls
    const source = yield* versionOf(path)
    const playlist = validateMedia(new TextDecoder().decode((yield* hls.playlist(source, "main", [])).head))
    const one = (i: number) => {
      const number = (i * 37) % playlist.segments.length
      return Effect.scoped(Effect.flatMap(hls.segment(source, "main", number), consume))
    }
    const rounds: Array<number> = []
    for (let round = 0; round < 6; round++) {
      const before = process.cpuUsage()
      for (let i = 0; i < segments; i++) yield* one(i)
      const { system, user } = process.cpuUsage(before)
      // The first one is the compiler's.
      if (round > 0) rounds.push((system + user) / 1000 / segments)
    }
    return rounds
  }).pipe(
    Effect.provide(over(FolderStore.layerSource(dirname(path)), join(dirname(path), "..", "derived-cpu"))),
    Effect.runPromise
  )

export interface FirstPlay {
  readonly millis: number
  readonly reads: number
  readonly bytes: number
}

/** The first playlists and the first segment of an object that nobody has played, of a store that takes `delay` for each read. */
export const firstPlay = (path: string, derived: string, delay: number): Promise<FirstPlay> =>
  Effect.gen(function* () {
    const folder = yield* FolderStore.make({ root: dirname(path), readOnly: true })
    let reads = 0
    let bytes = 0
    const remote: ObjectStore = {
      ...folder,
      openLocal: () => Effect.succeed(null),
      read: (key, options) =>
        Effect.delay(
          Effect.suspend(() => {
            reads++
            bytes += (options?.range?.end ?? -1) - (options?.range?.start ?? 0) + 1
            return folder.read(key, options)
          }),
          delay
        )
    }
    return yield* Effect.gen(function* () {
      const hls = yield* Hls
      const source = yield* versionOf(path)
      const began = performance.now()
      yield* hls.main(source, [])
      yield* hls.playlist(source, "main", [])
      yield* hls.init(source, "main")
      yield* Effect.scoped(Effect.flatMap(hls.segment(source, "main", 0), consume))
      return { millis: performance.now() - began, reads, bytes }
    }).pipe(Effect.provide(over(Layer.succeed(SourceStore, remote), derived)))
  }).pipe(Effect.scoped, Effect.runPromise)

import { mkdirSync, readSync, writeFileSync } from "node:fs"
import { basename, dirname, join } from "node:path"

import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as FolderStore from "@joy/storage/FolderStore"
import { SourceStore } from "@joy/storage/ObjectStore"
import { type MediaPlaylist, validateMedia, validateMultivariant } from "@joy/testing/HlsValidator"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

import { Hls, type HlsPart } from "../../src/Hls.ts"
import type { SubtitleTrack } from "../../src/hls/Playlists.ts"
import type { SourceVersion } from "../../src/SourceVersion.ts"

/** A presentation as files in a folder: what players would fetch. */

const itemId = MediaItemId.make("0197b0a0-0000-7000-8000-000000000001")

/** `Hls` over the folder of a file, which keeps its indexes in another. */
export const layerOver = (path: string, derived: string): Layer.Layer<Hls | SourceStore> =>
  Hls.layer.pipe(
    Layer.provide(FolderStore.layerDerived(derived)),
    Layer.provideMerge(FolderStore.layerSource(dirname(path)))
  )

export const versionOf = Effect.fnUntraced(function* (path: string) {
  const { etag, key, sizeBytes } = yield* Effect.orDie((yield* SourceStore).head(ObjectKey.make(basename(path))))
  return { itemId, etag: ETag.make(etag), key, sizeBytes } satisfies SourceVersion
})

/** The bytes of a part, as the edge would send them. */
export const bytesOf = Effect.fnUntraced(function* (part: HlsPart) {
  if (part.body === null) return part.head
  if (part.body._tag === "File") {
    const { end, file, start } = part.body
    const body = new Uint8Array(end - start + 1)
    const count = readSync(file.fd, body, 0, body.length, start)
    return Buffer.concat([part.head, body.subarray(0, count)])
  }
  return Buffer.concat([part.head, ...(yield* Stream.runCollect(part.body.stream))])
})

export interface ExportedRendition {
  readonly name: string
  readonly path: string
  readonly playlist: MediaPlaylist
  readonly text: string
  /** Init and segments as one file; of packed audio, which has an own beginning in each segment, the playlist. */
  readonly joined: string
}

export interface Exported {
  readonly main: string
  readonly mainText: string
  readonly multivariant: ReturnType<typeof validateMultivariant>
  readonly renditions: ReadonlyArray<ExportedRendition>
  /** What was promised of sizes and not kept. */
  readonly wrongSizes: ReadonlyArray<string>
  /** Bytes of segments, and seconds that they last. */
  readonly weights: ReadonlyArray<{ readonly rendition: string; readonly bytes: number; readonly seconds: number }>
}

/** Writes all that the multivariant playlist leads to. */
export const exportTo = Effect.fnUntraced(function* (
  folder: string,
  source: SourceVersion,
  subtitles: ReadonlyArray<SubtitleTrack> = []
) {
  const hls = yield* Hls
  const wrongSizes: Array<string> = []
  const weights: Array<{ rendition: string; bytes: number; seconds: number }> = []
  const write = Effect.fnUntraced(function* (path: string, part: HlsPart) {
    const bytes = yield* bytesOf(part)
    if (bytes.length !== part.sizeBytes) wrongSizes.push(path)
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), bytes)
    return bytes
  })
  const mainText = new TextDecoder().decode(yield* write("main.m3u8", yield* hls.main(source, subtitles)))
  const multivariant = validateMultivariant(mainText)
  const uris = [
    ...multivariant.variants.map(({ uri }) => uri),
    ...multivariant.media.flatMap((entry) => (entry["TYPE"] === "AUDIO" ? [entry["URI"] ?? ""] : []))
  ]
  const renditions = yield* Effect.forEach(new Set(uris), (uri) =>
    Effect.gen(function* () {
      const name = dirname(uri)
      const text = new TextDecoder().decode(yield* write(uri, yield* hls.playlist(source, name, subtitles)))
      const playlist = validateMedia(text)
      const init = playlist.map === null ? [] : [yield* write(`${name}/init.mp4`, yield* hls.init(source, name))]
      const segments = yield* Effect.forEach(playlist.segments, ({ seconds, uri }, number) =>
        Effect.scoped(
          Effect.gen(function* () {
            const bytes = yield* write(`${name}/${uri}`, yield* hls.segment(source, name, number))
            weights.push({ rendition: name, bytes: bytes.length, seconds })
            return bytes
          })
        )
      )
      const joined = playlist.map === null ? join(folder, uri) : join(folder, `${name}.mp4`)
      if (playlist.map !== null) writeFileSync(joined, Buffer.concat([...init, ...segments]))
      return { name, path: join(folder, uri), playlist, text, joined } satisfies ExportedRendition
    })
  )
  return {
    main: join(folder, "main.m3u8"),
    mainText,
    multivariant,
    renditions,
    wrongSizes,
    weights
  } satisfies Exported
})

export const temporaryFolder = Effect.flatMap(FileSystem.FileSystem, (fs) =>
  Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "joy-hls-" }))
)

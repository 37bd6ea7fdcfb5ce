import { buildFrom } from "@joy/media/index/BuildIndex"
import * as IndexFile from "@joy/media/index/IndexFile"
import { endOf, samplesIn } from "@joy/media/index/matroska/Stretches"
import type { MediaIndex } from "@joy/media/index/MediaIndex"
import { withSamples } from "@joy/playback/hls/CuePlan"
import { initSegment } from "@joy/playback/hls/InitSegment"
import { layoutOf, maxSegmentBytes } from "@joy/playback/hls/Layout"
import { planOf, type Rendition, renditionsOf } from "@joy/playback/hls/Plan"
import { mediaPlaylist, multivariantPlaylist } from "@joy/playback/hls/Playlists"
import { segmentHead } from "@joy/playback/hls/SegmentHead"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"

import { validateMedia, validateMultivariant } from "./HlsValidator.ts"

/** What became of a damaged file, and which rule it broke, if any. */
export interface Outcome {
  readonly result: "indexed" | "refused"
  readonly broken: string | null
}

const isWithin = ({ sizeBytes, tracks }: MediaIndex): boolean =>
  tracks.every(({ samples }) =>
    samples.sizes.every((size, i) => {
      const start = samples.offsets[i] ?? -1
      return start >= 0 && start + size <= sizeBytes
    })
  )

/** The segment with its samples, which some containers show in its own bytes alone; `null` where those are bad. */
const sampled = Effect.fnUntraced(function* (
  index: MediaIndex,
  rendition: Rendition,
  segment: number,
  bytes: Uint8Array
) {
  const stretch = rendition.stretches?.[segment]
  const { cues } = index
  if (stretch === undefined || cues === null) return { rendition, segment }
  const end = endOf(stretch, cues)
  if (!(stretch.start >= 0 && stretch.start <= end && end <= bytes.length)) {
    return yield* Effect.die(new Error("a segment is read outside the object"))
  }
  const read = yield* Effect.result(samplesIn({ ...index, cues }, stretch, bytes.subarray(stretch.start, end)))
  return read._tag === "Failure" ? null : { rendition: withSamples(rendition, index, read.success), segment: 0 }
})

/** Packages as much of it as players would ask for first and last, and gives what is wrong with it. */
const packaged = Effect.fnUntraced(function* (index: MediaIndex, bytes: Uint8Array) {
  const plan = planOf(index)
  if (plan === null) return null
  const { mistakes } = validateMultivariant(multivariantPlaylist(plan, []))
  if (mistakes.length > 0) return mistakes.join()
  for (const [name, rendition] of renditionsOf(plan)) {
    const wrong = validateMedia(mediaPlaylist(rendition)).mistakes
    if (wrong.length > 0) return `${name}: ${wrong.join()}`
    if (!rendition.isPacked) initSegment(rendition)
    const count = rendition.starts.length - 1
    for (const segment of new Set([0, count >> 1, count - 1])) {
      const found = yield* sampled(index, rendition, segment, bytes)
      if (found === null) continue
      const layout = layoutOf(found.rendition, found.segment)
      if (layout.pieces.some(({ end, start }) => start < 0 || end < start || end > index.sizeBytes)) {
        return `${name}: a segment reaches outside the object`
      }
      if (layout.bytes <= maxSegmentBytes && !rendition.isPacked) segmentHead(layout, segment + 1)
    }
  }
  return null
})

/** Indexes a damaged file and packages what comes of it. Anything but a result or a failure of ours breaks a rule. */
export const examine = Effect.fnUntraced(
  function* (bytes: Uint8Array) {
    let outside = 0
    const read = (start: number, end: number) =>
      Effect.sync(() => {
        if (!(start >= 0 && start <= end && end <= bytes.length)) outside++
        return bytes.subarray(start, end)
      })
    const built = yield* Effect.result(buildFrom({ sizeBytes: bytes.length, read }))
    if (outside > 0) return { result: "refused", broken: "read outside the object" } as const
    if (built._tag === "Failure") {
      const isTyped = built.failure._tag === "UnreadableMedia" || built.failure._tag === "MediaResourceExceeded"
      return { result: "refused", broken: isTyped ? null : `failed with ${built.failure._tag}` } as const
    }
    const index = built.success
    if (!isWithin(index)) return { result: "indexed", broken: "has samples outside the object" } as const
    const kept = yield* Effect.result(IndexFile.decode(IndexFile.encode(index)))
    if (kept._tag === "Failure") return { result: "indexed", broken: `can't be kept: ${kept.failure.message}` } as const
    return { result: "indexed", broken: yield* packaged(index, bytes) } as const
  },
  Effect.catchCause((cause) => Effect.succeed({ result: "refused", broken: Cause.pretty(cause) } as const)),
  (effect): Effect.Effect<Outcome> => effect
)

import * as Effect from "effect/Effect"

import type { IndexFailure, IndexSource } from "../IndexSource.ts"
import type { MediaIndex } from "../MediaIndex.ts"
import * as Adts from "./Adts.ts"
import * as Flac from "./Flac.ts"
import * as Mp3 from "./Mp3.ts"

const tagHeadBytes = 10
const maxTags = 10

/** Where sound begins, behind the tags of ID3v2 (3.1), which hold pictures too. */
const afterTags = Effect.fnUntraced(function* (source: IndexSource) {
  let at = 0
  for (let tags = 0; tags < maxTags && at + tagHeadBytes <= source.sizeBytes; tags++) {
    const head = yield* source.read(at, at + tagHeadBytes)
    if (String.fromCharCode(...head.subarray(0, 3)) !== "ID3") break
    // Seven bits a byte.
    const size = head.subarray(6).reduce((sum, byte) => sum * 128 + (byte & 127), 0)
    const hasFooter = ((head[5] ?? 0) & 0x10) !== 0
    at += tagHeadBytes + size + (hasFooter ? tagHeadBytes : 0)
  }
  return Math.min(at, source.sizeBytes)
})

/** Indexes MP3, AAC in ADTS and FLAC, before any of which tags may stand: in one pass over all of it. */
export const build = Effect.fn("AudioIndex.build")(function* (
  source: IndexSource
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const start = yield* afterTags(source)
  const head = yield* source.read(start, Math.min(source.sizeBytes, start + 8))
  if (String.fromCharCode(...head.subarray(0, 4)) === "fLaC") return yield* Flac.build(source, start)
  return yield* Adts.isAdts(head) ? Adts.build(source, start) : Mp3.build(source, start)
})

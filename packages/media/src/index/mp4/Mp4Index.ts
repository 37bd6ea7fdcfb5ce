import * as Effect from "effect/Effect"

import { MediaResourceExceeded, UnreadableMedia } from "../../MediaError.ts"
import { type IndexFailure, type IndexSource, parse, step, viewOf, windowOf } from "../IndexSource.ts"
import { durationSecondsOf, type IndexTrack, type MediaIndex } from "../MediaIndex.ts"
import { boxAt, type Box, typeAt } from "./Boxes.ts"
import { readFragments } from "./Fragments.ts"
import * as FragmentWalk from "./FragmentWalk.ts"
import { finishTrack, readMovie } from "./Movie.ts"

/** What is read at once where an index may begin: a whole one, of a few minutes. */
const windowBytes = 256 * 2 ** 10
/** Ten hours with two tracks of sound have half as much. */
const maxMovieBytes = 64 * 2 ** 20
/** Files begin with `ftyp`, `free` and `mdat`, in some order; no real one has many more before its index. */
const maxTopBoxes = 1_000

const missing = new UnreadableMedia({ step, reason: "is cut short: its index (moov) is missing" })

/** Finds `moov` and reads it whole, wherever it is. */
const readMoov = Effect.fnUntraced(function* (source: IndexSource) {
  const read = windowOf(source, windowBytes)
  let isQuickTime = true
  let at = 0
  for (let boxes = 0; boxes < maxTopBoxes; boxes++) {
    const head = yield* read(at, at + 16)
    const found = yield* parse(() => boxAt(viewOf(head), 0, head.length))
    // A size of 0 reaches to the end of the file, of which the window knows nothing.
    const end = found === null ? at : at + (viewOf(head).getUint32(0) === 0 ? source.sizeBytes - at : found.end)
    if (found === null || end > source.sizeBytes) return yield* missing
    if (found.type === "ftyp") {
      const brand = yield* read(at, at + 12)
      isQuickTime = brand.length === 12 && typeAt(viewOf(brand), 8) === "qt  "
    }
    if (found.type === "moov") {
      if (end - at > maxMovieBytes) return yield* new MediaResourceExceeded({ step, resource: "input" })
      const bytes = yield* read(at, end)
      const moov: Box = { ...found, end: end - at }
      return { bytes, moov, end, isQuickTime }
    }
    at = end
  }
  return yield* missing
})

/** Indexes MP4, MOV, M4A and their like, fragmented or not. */
export const build = Effect.fn("Mp4Index.build")(function* (
  source: IndexSource
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const { sizeBytes } = source
  const { bytes, end, isQuickTime, moov } = yield* readMoov(source)
  const movie = yield* parse(() => readMovie(viewOf(bytes), moov, { isQuickTime, sizeBytes }))
  const fragments = movie.isFragmented ? yield* FragmentWalk.read(source, end) : []
  const tables = yield* parse(() => readFragments(movie.tracks, fragments, sizeBytes))
  const finished = movie.tracks.map((track, i) => {
    const { raised, samples } = tables[i] ?? track.tables
    return finishTrack(track, samples, track.header.shift + track.tables.raised - raised)
  })
  const tracks = finished.filter((track): track is IndexTrack => typeof track !== "string" && track.samples.count > 0)
  return {
    sizeBytes,
    durationSeconds: durationSecondsOf(tracks),
    tracks,
    skipped: finished.filter((track) => typeof track === "string"),
    cues: null
  }
})

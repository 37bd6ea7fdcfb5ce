import * as Effect from "effect/Effect"

import { type IndexFailure, type IndexSource, parse } from "../IndexSource.ts"
import { type Cues, type IndexTrack, type MediaIndex, noSamples } from "../MediaIndex.ts"
import { type Block, blocksIn } from "./Blocks.ts"
import { walk } from "./ClusterWalk.ts"
import { readSampleEntry } from "./Codecs.ts"
import { type CuePoint, inOrder, readCues } from "./CuePoints.ts"
import { elementsIn, floatOf, Id, uintOf } from "./Elements.ts"
import { frameSecondsOf } from "./FrameLengths.ts"
import { addBlock, delayOf, noFrames, ticksOf } from "./Samples.ts"
import { readStructure, type Structure } from "./Structure.ts"
import { readEnds } from "./Tags.ts"
import { readTracks, type TrackEntry } from "./Tracks.ts"

/** What is looked at of the first clusters: the first frames of every track, and in which order they are shown. */
const sampleBytes = 512 * 2 ** 10
/** What is looked at of the last ones, to find the end of a recording that doesn't tell it. */
const tailBytes = 16 * 2 ** 20

const readInfo = (bytes: Uint8Array) => {
  let nanosecondsPerTick = 1_000_000
  let duration = 0
  for (const element of elementsIn(bytes, 0, bytes.length)) {
    if (element.id === Id.timestampScale) nanosecondsPerTick = Math.max(1, uintOf(bytes, element))
    else if (element.id === Id.duration) duration = floatOf(bytes, element)
  }
  const isWhole = Number.isInteger(1e9 / nanosecondsPerTick)
  return {
    nanosecondsPerTick,
    // Where a second has no whole number of ticks, they are counted in millionths of one.
    timescale: isWhole ? 1e9 / nanosecondsPerTick : 1_000_000,
    durationTicks: Number.isFinite(duration) && duration > 0 ? duration : null
  }
}

type Clock = ReturnType<typeof readInfo>

/** What the first clusters show of a track. */
interface Glimpse {
  readonly frame: Uint8Array
  /** When the first frames are presented; those from the last keyframe on are left out, which may not all be there. */
  readonly times: ReadonlyArray<number>
}

const glimpse = ({ number }: TrackEntry, blocks: ReadonlyArray<Block>, bytes: Uint8Array, clock: Clock): Glimpse => {
  const own = blocks.filter(({ track }) => track === number)
  const frames = noFrames()
  for (const block of own) addBlock(frames, block, clock, 0, 0)
  const [first] = own[0]?.frames ?? []
  const complete = frames.keys.findLast((key) => key > 0) ?? frames.times.length
  return { frame: bytes.subarray(first?.start ?? 0, first?.end ?? 0), times: frames.times.slice(0, complete) }
}

const ticksIn = (nanoseconds: number, { timescale }: Clock): number => (nanoseconds * timescale) / 1e9

/** Of sound there is none. */
const sideOf = (pixels: number): number | null => Math.min(0xffff, Math.round(pixels)) || null

const finishTrack = (track: TrackEntry, { frame, times }: Glimpse, clock: Clock, endSeconds: number | null) => {
  const entry = track.isPlain ? readSampleEntry(track, frame) : null
  if (entry === null) return null
  const delay = track.kind === "video" ? delayOf(times) : 0
  // Packed audio knows nothing of the time before 0.
  const early = entry.codec === "mp3" ? 0 : Math.round(ticksIn(track.delayNanoseconds, clock))
  const [across, down] = track.aspect
  const indexed: IndexTrack = {
    id: track.number,
    kind: track.kind,
    codec: entry.codec,
    codecString: entry.codecString,
    sampleEntries: [entry.bytes],
    timescale: clock.timescale,
    shift: 0 - delay - early,
    language: track.language,
    label: track.label,
    isDefault: track.isDefault,
    channels: entry.channels,
    sampleRate: entry.sampleRate,
    width: sideOf((track.width * across) / down),
    height: sideOf(track.height),
    matrix: null,
    samples: noSamples
  }
  const frameTicks = frameSecondsOf(track, entry) * clock.timescale
  return {
    indexed,
    cue: { delay, frameTicks, endSeconds },
    firstTicks: times.length === 0 ? null : Math.min(...times) - early
  }
}

const nothing = (sizeBytes: number, skipped: ReadonlyArray<string>): MediaIndex => ({
  sizeBytes,
  durationSeconds: 0,
  tracks: [],
  skipped,
  cues: null
})

/** When the last frame is over, of a file that doesn't say how long it lasts. */
const findEnd = Effect.fnUntraced(function* (
  source: IndexSource,
  points: ReadonlyArray<CuePoint>,
  end: number,
  clock: Clock
) {
  const last = points.findLast(({ offset }) => offset < end) ?? { offset: end, time: 0 }
  const bytes = yield* source.read(last.offset, Math.min(end, last.offset + tailBytes))
  return yield* parse(() => {
    let latest = last.time
    for (const { duration, time } of blocksIn(bytes)) latest = Math.max(latest, time + (duration ?? 0))
    return ticksOf(latest, clock)
  })
})

const pointsOf = Effect.fnUntraced(function* (
  source: IndexSource,
  { bodies, segment }: Structure,
  firstCluster: number,
  track: number
) {
  const cues = bodies.get(Id.cues)
  const read = cues === undefined ? [] : yield* parse(() => readCues(cues, track, segment.body))
  return read.length > 0
    ? read
    : yield* walk(source, { track, segmentBody: segment.body, start: firstCluster, end: segment.end })
})

/**
 * Indexes Matroska and WebM: where decoding can begin, in three or four reads. Samples stand in the file beside the media
 * data alone, all over it: those of a stretch are read with it.
 */
export const build = Effect.fn("MatroskaIndex.build")(function* (
  source: IndexSource
): Effect.fn.Return<MediaIndex, IndexFailure> {
  const { sizeBytes } = source
  const structure = yield* readStructure(source)
  const { bodies, firstCluster, segment } = structure
  const clock = yield* parse(() => readInfo(bodies.get(Id.info) ?? new Uint8Array()))
  const entries = yield* parse(() => readTracks(bodies.get(Id.tracks) ?? new Uint8Array()))
  if (firstCluster === null) return nothing(sizeBytes, [])
  const bytes = yield* source.read(firstCluster, Math.min(segment.end, firstCluster + sampleBytes))
  const glimpsed = yield* parse(() => {
    const blocks = [...blocksIn(bytes)]
    const ends = readEnds(bodies.get(Id.tags) ?? new Uint8Array())
    return entries.map((entry) => {
      const seen = glimpse(entry, blocks, bytes, clock)
      return { entry, track: finishTrack(entry, seen, clock, ends.get(entry.uid) ?? null) }
    })
  })
  const skipped = glimpsed.flatMap(({ entry, track }) => (track === null ? [entry.codecId] : []))
  const tracks = glimpsed.flatMap(({ track }) => (track === null ? [] : [track]))
  const videos = tracks.filter(({ indexed }) => indexed.kind === "video")
  // The one that is played: cut where others begin, it could not be decoded.
  const main = videos.find(({ indexed }) => indexed.isDefault) ?? videos[0] ?? tracks[0]
  if (main === undefined) return nothing(sizeBytes, skipped)

  const start = tracks.reduce((least, { firstTicks }) => Math.min(least, firstTicks ?? Infinity), Infinity)
  const startTicks = start === Infinity ? 0 : Math.max(0, start)
  const found = yield* pointsOf(source, structure, firstCluster, main.indexed.id)
  const points = inOrder(found, {
    start: firstCluster,
    end: segment.end,
    time: Math.round((startTicks * 1e9) / clock.timescale / clock.nanosecondsPerTick)
  })
  const ticks = yield* parse(() => points.map(({ time }) => ticksOf(time, clock)))
  const endTicks =
    clock.durationTicks === null
      ? yield* findEnd(source, points, segment.end, clock)
      : yield* parse(() => ticksOf(clock.durationTicks ?? 0, clock))
  const cues: Cues = {
    count: points.length,
    offsets: Float64Array.from(points, ({ offset }) => offset),
    skips: Uint32Array.from(points, ({ skip }) => skip),
    ticks: Float64Array.from(ticks),
    end: segment.end,
    timescale: clock.timescale,
    nanosecondsPerTick: clock.nanosecondsPerTick,
    startSeconds: startTicks / clock.timescale,
    tracks: tracks.map(({ cue }) => cue)
  }
  return {
    sizeBytes,
    durationSeconds: Math.max(0, (Math.max(endTicks, ticks.at(-1) ?? 0) - startTicks) / clock.timescale),
    tracks: tracks.map(({ indexed }) => indexed),
    skipped,
    cues
  }
})

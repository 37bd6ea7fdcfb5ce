import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { Refused } from "../demux/DemuxMessages.ts"
import { ColumnReader, ColumnWriter } from "./Columns.ts"
import {
  type Cues,
  type IndexTrack,
  type MediaIndex,
  maxSamples,
  maxTicks,
  maxTracks,
  noSamples,
  type Samples
} from "./MediaIndex.ts"

/**
 * An index as bytes, to be kept: four letters, the version, the length of a description in JSON, that, and then the columns of each
 * track. Version and letters are told apart first: what another version wrote is made anew, never guessed at.
 */

/** Changes whenever an index of the same object would be another, or be written in another way. */
export const version = 4

/** These bytes are no index of this version. */
export class NotAnIndex extends Schema.TaggedError<NotAnIndex>()("NotAnIndex", { reason: Schema.String }) {
  override get message() {
    return `The file ${this.reason}`
  }
}

const magic = 0x6a6f_7969
const headBytes = 12
const maxDescriptionBytes = 4 * 2 ** 20

const Natural = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))
const Uint32 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff_ffff }))
const Positive = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0xffff_ffff }))

const Description = Schema.fromJsonString(
  Schema.Struct({
    sizeBytes: Natural,
    durationSeconds: Schema.Finite,
    skipped: Schema.Array(Schema.String),
    cues: Schema.NullOr(
      Schema.Struct({
        count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: maxSamples })),
        end: Natural,
        timescale: Positive,
        nanosecondsPerTick: Natural,
        startSeconds: Schema.Finite,
        tracks: Schema.Array(
          Schema.Struct({ frameTicks: Schema.Finite, delay: Natural, endSeconds: Schema.NullOr(Schema.Finite) })
        )
      })
    ),
    tracks: Schema.Array(
      Schema.Struct({
        header: Schema.Struct({
          id: Natural,
          kind: Schema.Literals(["video", "audio"]),
          codec: Schema.String,
          codecString: Schema.String,
          sampleEntries: Schema.NonEmptyArray(Schema.Uint8ArrayFromBase64),
          timescale: Positive,
          shift: Schema.Int,
          language: Schema.NullOr(Schema.String),
          label: Schema.NullOr(Schema.String),
          isDefault: Schema.Boolean,
          channels: Schema.NullOr(Natural),
          sampleRate: Schema.NullOr(Schema.Finite),
          width: Schema.NullOr(Natural),
          height: Schema.NullOr(Natural),
          matrix: Schema.NullOr(Schema.Array(Schema.Int))
        }),
        columns: Schema.Struct({
          count: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: maxSamples })),
          hasCompositionOffsets: Schema.Boolean,
          keyCount: Schema.NullOr(Uint32),
          entries: Schema.Array(Schema.Struct({ from: Uint32, entry: Uint32 }))
        })
      })
    )
  })
)
const encodeDescription = Schema.encodeSync(Description)
const decodeDescription = Schema.decodeUnknownEffect(Description)

const at = (column: ArrayLike<number>, i: number) => column[i] ?? 0

const writeSamples = (columns: ColumnWriter, samples: Samples) => {
  const { compositionOffsets, count, dts, keys, offsets, sizes } = samples
  if (count === 0) return
  columns.column(count, (i) => at(sizes, i))
  // Most samples lie behind the one before.
  columns.signedColumn(count, (i) => at(offsets, i) - (i === 0 ? 0 : at(offsets, i - 1) + at(sizes, i - 1)))
  columns.signed(at(dts, 0))
  columns.column(count, (i) => at(dts, i + 1) - at(dts, i))
  if (compositionOffsets !== null) columns.column(count, (i) => at(compositionOffsets, i))
  if (keys !== null) columns.column(keys.length, (i) => at(keys, i) - (i === 0 ? 0 : at(keys, i - 1)))
}

const writeCues = (columns: ColumnWriter, { count, offsets, skips, ticks }: Cues) => {
  columns.column(count, (i) => at(offsets, i) - (i === 0 ? 0 : at(offsets, i - 1)))
  columns.column(count, (i) => at(skips, i))
  columns.column(count, (i) => at(ticks, i) - (i === 0 ? 0 : at(ticks, i - 1)))
}

export const encode = (index: MediaIndex): Uint8Array => {
  const description = new TextEncoder().encode(
    encodeDescription({
      ...index,
      tracks: index.tracks.map(({ samples, ...header }) => ({
        header,
        columns: {
          count: samples.count,
          hasCompositionOffsets: samples.compositionOffsets !== null,
          keyCount: samples.keys?.length ?? null,
          entries: samples.entries
        }
      }))
    })
  )
  const columns = new ColumnWriter()
  for (const { samples } of index.tracks) writeSamples(columns, samples)
  if (index.cues !== null) writeCues(columns, index.cues)
  const bytes = columns.bytes()
  const file = new Uint8Array(headBytes + description.length + bytes.length)
  const head = new DataView(file.buffer)
  head.setUint32(0, magic)
  head.setUint32(4, version)
  head.setUint32(8, description.length)
  file.set(description, headBytes)
  file.set(bytes, headBytes + description.length)
  return file
}

type Described = (typeof Description.Type)["tracks"][number]

const isAscending = (values: ArrayLike<number>): boolean => {
  for (let i = 1; i < values.length; i++) if ((values[i] ?? 0) <= (values[i - 1] ?? 0)) return false
  return true
}

const readSamples = (columns: ColumnReader, { columns: described, header }: Described, sizeBytes: number): Samples => {
  const { count, entries } = described
  if (count === 0) return noSamples
  const sizes = new Uint32Array(count)
  const offsets = new Float64Array(count)
  const dts = new Float64Array(count + 1)
  const compositionOffsets = described.hasCompositionOffsets ? new Uint32Array(count) : null
  const keys = described.keyCount === null ? null : new Uint32Array(Math.min(described.keyCount, count))
  columns.column(count, (i, size) => void (sizes[i] = size))
  columns.signedColumn(count, (i, gap) => {
    const at = gap + (i === 0 ? 0 : (offsets[i - 1] ?? 0) + (sizes[i - 1] ?? 0))
    if (at < 0 || at + (sizes[i] ?? 0) > sizeBytes) throw new Refused("has a sample outside the object")
    offsets[i] = at
  })
  dts[0] = columns.signed()
  columns.column(count, (i, ticks) => void (dts[i + 1] = (dts[i] ?? 0) + ticks))
  if (compositionOffsets !== null) columns.column(count, (i, offset) => void (compositionOffsets[i] = offset))
  if (keys !== null) columns.column(keys.length, (i, gap) => void (keys[i] = gap + (i === 0 ? 0 : (keys[i - 1] ?? 0))))
  const froms = entries.map(({ from }) => from)
  const isSound =
    (dts[count] ?? 0) <= maxTicks &&
    (keys === null || (isAscending(keys) && (keys.at(-1) ?? 0) < count)) &&
    froms[0] === 0 &&
    isAscending(froms) &&
    entries.every(({ entry, from }) => entry < header.sampleEntries.length && from < count)
  if (!isSound) throw new Refused("has columns that contradict each other")
  return { count, offsets, sizes, dts, compositionOffsets, keys, entries }
}

const readTrack = (columns: ColumnReader, track: Described, sizeBytes: number): IndexTrack => ({
  ...track.header,
  samples: readSamples(columns, track, sizeBytes)
})

const readCues = (columns: ColumnReader, described: typeof Description.Type): Cues | null => {
  const { cues, sizeBytes } = described
  if (cues === null) return null
  const offsets = new Float64Array(cues.count)
  const skips = new Uint32Array(cues.count)
  const ticks = new Float64Array(cues.count)
  const sum = (into: Float64Array) => (i: number, gap: number) => void (into[i] = gap + (i === 0 ? 0 : at(into, i - 1)))
  columns.column(cues.count, sum(offsets))
  columns.column(cues.count, (i, skip) => void (skips[i] = skip))
  columns.column(cues.count, sum(ticks))
  const isSound =
    cues.end <= sizeBytes &&
    at(offsets, cues.count - 1) < cues.end &&
    at(ticks, cues.count - 1) <= Number.MAX_SAFE_INTEGER &&
    cues.tracks.length === described.tracks.length
  if (!isSound) throw new Refused("has cues that contradict each other")
  return { ...cues, offsets, skips, ticks }
}

const readColumns = (columns: ColumnReader, description: typeof Description.Type): MediaIndex => {
  const { tracks, ...described } = description
  if (tracks.length > maxTracks || tracks.reduce((sum, { columns }) => sum + columns.count, 0) > maxSamples) {
    throw new Refused("has more than any index")
  }
  if (tracks.some(({ columns }) => (columns.count === 0) !== (described.cues !== null))) {
    throw new Refused("has samples where there are none, or none where there are some")
  }
  const index = {
    ...described,
    tracks: tracks.map((track) => readTrack(columns, track, described.sizeBytes)),
    cues: readCues(columns, description)
  }
  if (!columns.isAtEnd) throw new Refused("goes on behind its end")
  return index
}

/** Reads what `encode` wrote. Checks all of it, so that nothing that is cut by it can reach outside the object. */
export const decode = Effect.fnUntraced(function* (file: Uint8Array): Effect.fn.Return<MediaIndex, NotAnIndex> {
  const head = new DataView(file.buffer, file.byteOffset, file.length)
  if (file.length < headBytes || head.getUint32(0) !== magic) return yield* new NotAnIndex({ reason: "is no index" })
  if (head.getUint32(4) !== version) return yield* new NotAnIndex({ reason: "was written by another version" })
  const length = head.getUint32(8)
  if (length > maxDescriptionBytes || headBytes + length > file.length) {
    return yield* new NotAnIndex({ reason: "is cut short" })
  }
  const described = yield* decodeDescription(
    new TextDecoder().decode(file.subarray(headBytes, headBytes + length))
  ).pipe(Effect.mapError((error) => new NotAnIndex({ reason: `describes no tracks: ${error.message}` })))
  return yield* Effect.try({
    try: () => readColumns(new ColumnReader(file, headBytes + length), described),
    catch: (error) => new NotAnIndex({ reason: error instanceof Error ? error.message : "can't be read" })
  })
})

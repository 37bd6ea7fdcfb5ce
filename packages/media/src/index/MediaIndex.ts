/**
 * Where every sample of an object is and when it is shown: what segments are cut by. The same for all containers, made once
 * for a version of an object and kept (`IndexFile`).
 */

/** The samples of a track in the order of decoding, as columns. */
export interface Samples {
  readonly count: number
  /** Where each begins in the object. */
  readonly offsets: Float64Array
  /** Bytes of each, all of them within the object. */
  readonly sizes: Uint32Array
  /** Ticks at which each is decoded, never decreasing; one more than there are samples: the last is the end of the last. */
  readonly dts: Float64Array
  /** Ticks from decoding to composition, never negative; `null` where they are none at all. */
  readonly compositionOffsets: Uint32Array | null
  /** Numbers of the samples at which decoding can begin, from 0 and ascending; `null`: at all of them. */
  readonly keys: Uint32Array | null
  /** Which sample entry holds from which sample on: ascending, the first from sample 0. */
  readonly entries: ReadonlyArray<{ readonly from: number; readonly entry: number }>
}

export interface IndexTrack {
  /** The container's (track_ID, TrackNumber). */
  readonly id: number
  readonly kind: "video" | "audio"
  /** By FFmpeg's name: `h264`, `aac`. */
  readonly codec: string
  /** RFC 6381: `avc1.64001f`. */
  readonly codecString: string
  /** Whole boxes for an `stsd` (ISO 14496-12, 8.5.2), as players take them: `hvc1`, no QuickTime. */
  readonly sampleEntries: readonly [Uint8Array, ...ReadonlyArray<Uint8Array>]
  /** Ticks per second. */
  readonly timescale: number
  /**
   * Ticks from composition to presentation, by the container's edit list: negative where the track begins with what is
   * decoded and not shown (the priming of AAC, the delay of reordering), positive where it begins late.
   */
  readonly shift: number
  /** BCP 47. */
  readonly language: string | null
  readonly label: string | null
  readonly isDefault: boolean
  /** Of audio. */
  readonly channels: number | null
  readonly sampleRate: number | null
  /** Pixels as shown, before they are turned; of video. */
  readonly width: number | null
  readonly height: number | null
  /** How pictures are turned: the nine numbers of a track header (ISO 14496-12, 8.3.2); `null`: not at all. */
  readonly matrix: ReadonlyArray<number> | null
  readonly samples: Samples
}

/**
 * Where decoding can begin in a container that tells of its samples only beside them (Matroska, WebM): what lies from one to
 * the next is read when it is wanted (`matroska/Stretches`). Its tracks have no samples here.
 */
export interface Cues {
  readonly count: number
  /** Where the cluster begins that each is in. Ascending; the first is where the first cluster begins. */
  readonly offsets: Float64Array
  /** Bytes between the head of that cluster and what each begins with. */
  readonly skips: Uint32Array
  /** Ticks at which each begins to be presented, ascending. */
  readonly ticks: Float64Array
  /** Where the last one is over. */
  readonly end: number
  /** Ticks per second, of all tracks. */
  readonly timescale: number
  /** Of the container's own clock. */
  readonly nanosecondsPerTick: number
  /** When the presentation begins, on the time line of the tracks. */
  readonly startSeconds: number
  /** Of each track of the index in turn. */
  readonly tracks: ReadonlyArray<{
    /** Ticks of a frame; 0 where they differ, or nothing says it. */
    readonly frameTicks: number
    /** Ticks by which frames are decoded earlier than they would have to be if none came before its turn. */
    readonly delay: number
    /** When the track is over, on its own time line; `null` where nothing says it. */
    readonly endSeconds: number | null
  }>
}

export interface MediaIndex {
  /** Of the object that it was made of. */
  readonly sizeBytes: number
  /** From the first presentation to the end of the last, over all tracks. */
  readonly durationSeconds: number
  /** Pictures and sound that can be put into a segment as they are, in the order of the container. */
  readonly tracks: ReadonlyArray<IndexTrack>
  /** What else there is, by the container's own names: `sowt`, `A_DTS`. */
  readonly skipped: ReadonlyArray<string>
  /** `null` where the tracks have all of their samples. */
  readonly cues: Cues | null
}

/** Of tracks whose samples are read when they are wanted. */
export const noSamples: Samples = {
  count: 0,
  offsets: new Float64Array(),
  sizes: new Uint32Array(),
  dts: new Float64Array(1),
  compositionOffsets: null,
  keys: null,
  entries: []
}

/** More than any film has (ten hours with 60 pictures a second and two tracks of sound), and what is kept of them stays small. */
export const maxSamples = 8_000_000
export const maxTracks = 64
/** From one sample entry to another and back: a recording that was put together of many has as many. */
export const maxEntryChanges = 1_000
/** No clock that starts at 0 gets there, and sums of such times are still exact. */
export const maxTicks = 2 ** 51

/** Ticks at which a sample is shown. */
export const presentedAt = ({ samples, shift }: Pick<IndexTrack, "samples" | "shift">, sample: number): number =>
  (samples.dts[sample] ?? 0) + (samples.compositionOffsets?.[sample] ?? 0) + shift

export const durationOf = ({ dts }: Samples, sample: number): number => (dts[sample + 1] ?? 0) - (dts[sample] ?? 0)

/** Ticks from the first presentation of a track to the end of the last. */
export const extentOf = (track: IndexTrack): { readonly start: number; readonly end: number } => {
  let start = Infinity
  let end = -Infinity
  const { samples } = track
  for (let i = 0; i < samples.count; i++) {
    const at = presentedAt(track, i)
    if (at < start) start = at
    const until = at + durationOf(samples, i)
    if (until > end) end = until
  }
  return samples.count === 0 ? { start: 0, end: 0 } : { start, end }
}

/** What decoders take in before the first presentation is no part of the duration. */
export const durationSecondsOf = (tracks: ReadonlyArray<IndexTrack>): number => {
  let start = Infinity
  let end = 0
  for (const track of tracks) {
    const extent = extentOf(track)
    start = Math.min(start, Math.max(0, extent.start / track.timescale))
    end = Math.max(end, extent.end / track.timescale)
  }
  return tracks.length === 0 ? 0 : Math.max(0, end - start)
}

/** Bytes of memory that an index holds. */
export const residentBytes = ({ cues, tracks }: MediaIndex): number =>
  tracks.reduce(
    (sum, { samples, sampleEntries }) =>
      sum +
      1024 +
      samples.offsets.byteLength +
      samples.sizes.byteLength +
      samples.dts.byteLength +
      (samples.compositionOffsets?.byteLength ?? 0) +
      (samples.keys?.byteLength ?? 0) +
      sampleEntries.reduce((bytes, entry) => bytes + entry.byteLength, 0),
    1024 + (cues?.count ?? 0) * 20
  )

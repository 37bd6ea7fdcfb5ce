import { assert, describe, it } from "@effect/vitest"
import { type IndexTrack, type MediaIndex, noSamples } from "@joy/media/index/MediaIndex"

import { planOf } from "../../src/hls/Plan.ts"

const track = (kind: IndexTrack["kind"], codec: string): IndexTrack => ({
  id: 1,
  kind,
  codec,
  codecString: codec,
  sampleEntries: [new Uint8Array()],
  timescale: 1000,
  shift: 0,
  language: null,
  label: null,
  isDefault: true,
  channels: null,
  sampleRate: null,
  width: null,
  height: null,
  matrix: null,
  samples: noSamples
})

type Sound = readonly [codec: string, endSeconds: number | null]

/** A film with cues at these seconds, a megabyte apart, and its sounds. */
const film = (cues: ReadonlyArray<number>, end: number, sounds: ReadonlyArray<Sound> = []): MediaIndex => ({
  sizeBytes: cues.length * 1e6,
  durationSeconds: end,
  tracks: [track("video", "h264"), ...sounds.map(([codec]) => track("audio", codec))],
  skipped: [],
  cues: {
    count: cues.length,
    offsets: Float64Array.from(cues, (_, i) => i * 1e6),
    skips: new Uint32Array(cues.length),
    ticks: Float64Array.from(cues, (seconds) => seconds * 1000),
    end: cues.length * 1e6,
    timescale: 1000,
    nanosecondsPerTick: 1_000_000,
    startSeconds: 0,
    tracks: [null, ...sounds.map(([, end]) => end)].map((endSeconds) => ({ frameTicks: 0, delay: 0, endSeconds }))
  }
})

const startsOf = (index: MediaIndex) => planOf(index)?.main.starts
const every = (seconds: number, end: number) => Array.from({ length: Math.ceil(end / seconds) }, (_, i) => i * seconds)

/** The codecs of each rendition of a film of 100 seconds. */
const names = (...sounds: ReadonlyArray<Sound>) => {
  const plan = planOf(film(every(2, 100), 100, sounds))
  return plan === null
    ? null
    : [plan.main, ...plan.sounds].map(({ tracks }) => tracks.map(({ track: { codec } }) => codec))
}

describe("A presentation cut at cues", () => {
  it("has segments of about six seconds, whose last is not a scrap", () => {
    assert.deepStrictEqual(startsOf(film(every(2, 21), 21)), [0, 6, 12, 18, 21])
    assert.deepStrictEqual(startsOf(film(every(0.5, 10), 10)), [0, 6, 10])
    assert.deepStrictEqual(startsOf(film(every(4, 20), 20)), [0, 4, 8, 12, 16, 20])
  })

  it("takes what there is where cues are far apart, and one that comes early before one that comes too late", () => {
    assert.deepStrictEqual(startsOf(film([0, 9, 18, 40], 45)), [0, 9, 18, 40, 45])
    assert.deepStrictEqual(startsOf(film([0, 1, 8, 9, 25], 30)), [0, 8, 9, 25, 30])
    assert.deepStrictEqual(startsOf(film([0, 1, 20], 30)), [0, 1, 20, 30])
  })

  it("reads for each segment what lies between its cues, and to the end", () => {
    const stretches = planOf(film(every(2, 10), 10))?.main.stretches?.map(({ next, start }) => [start, next])
    assert.deepStrictEqual(stretches, [
      [0, 3e6],
      [3e6, 5e6]
    ])
  })

  it("leaves out sound that is over long before its pictures, or goes on long after them, where that is said", () => {
    assert.deepStrictEqual(names(["aac", null]), [["h264", "aac"]])
    assert.deepStrictEqual(names(["aac", 95]), [["h264", "aac"]])
    assert.deepStrictEqual(names(["aac", 95], ["opus", 50]), [["h264", "aac"]])
    assert.deepStrictEqual(names(["mp3", 99], ["opus", null]), [["h264"], ["mp3"], ["opus"]])
    assert.isNull(names(["aac", 50]))
  })

  it("presents nothing of which a single segment would be beyond all size", () => {
    const { cues, ...index } = film([0, 4, 8, 12], 16)
    assert.isNotNull(planOf({ ...index, cues }))
    assert.isNull(planOf({ ...index, cues: cues && { ...cues, end: 4e8 } }))
  })

  it("has nothing to present where there are no tracks", () => {
    assert.isNull(planOf({ ...film([0], 10), tracks: [] }))
  })
})

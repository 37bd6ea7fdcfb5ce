import { readFileSync } from "node:fs"

import { assert, it } from "@effect/vitest"
import { describeWith } from "@joy/testing/Needs"
import { type Packet, packetsOf } from "@joy/testing/Packets"
import * as SegmentCorpus from "@joy/testing/SegmentCorpus"
import * as Effect from "effect/Effect"

import { buildFrom } from "../../src/index/BuildIndex.ts"
import * as IndexFile from "../../src/index/IndexFile.ts"
import { type IndexTrack, presentedAt } from "../../src/index/MediaIndex.ts"
import * as MemorySource from "./MemorySource.ts"

const indexOf = Effect.fnUntraced(function* (name: SegmentCorpus.Name) {
  const path = yield* SegmentCorpus.file(name)
  const source = MemorySource.of(readFileSync(path))
  return { path, source, index: yield* buildFrom(source) }
})

/** What ffprobe says of a track's packets, as the index says it. */
const samplesAs = (track: IndexTrack, packets: ReadonlyArray<Packet>) => {
  const keys = new Set(track.samples.keys ?? track.samples.sizes.keys())
  return packets.map((packet, i) => ({
    size: track.samples.sizes[i],
    position: packet.position === null ? null : track.samples.offsets[i],
    isKey: packet.isKey === keys.has(i),
    isOnTime: Math.abs(packet.pts - presentedAt(track, i) / track.timescale) < 0.000_002
  }))
}

describeWith(["ffmpeg"], "The index of an MP4", () => {
  for (const name of SegmentCorpus.names.filter((name) => /\.(mp4|mov|m4a)$/.test(name))) {
    it.effect(`has every sample of ${name} where ffprobe finds it, and is the same after it was written and read`, () =>
      Effect.gen(function* () {
        const { index, path, source } = yield* indexOf(name)
        const { packets } = yield* packetsOf(path)
        const streams = new Set(packets.map(({ stream }) => stream))
        assert.strictEqual(index.tracks.length, streams.size)
        for (const [i, stream] of [...streams].toSorted((a, b) => a - b).entries()) {
          const track = index.tracks[i]
          const own = packets.filter((packet) => packet.stream === stream)
          assert.strictEqual(track?.samples.count, own.length)
          if (track === undefined) continue
          assert.deepStrictEqual(
            samplesAs(track, own),
            own.map(({ position, size }) => ({ size, position, isKey: true, isOnTime: true }))
          )
        }
        assert.deepStrictEqual(yield* IndexFile.decode(IndexFile.encode(index)), index)
        assert.deepStrictEqual(source.outside, [])
      })
    )
  }
})

import { execFile } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { assert, it } from "@effect/vitest"
import { ffmpeg } from "@joy/testing/Executables"
import { describeWith } from "@joy/testing/Needs"
import { type Packet, packetsOf } from "@joy/testing/Packets"
import * as SegmentCorpus from "@joy/testing/SegmentCorpus"
import * as Effect from "effect/Effect"
import { afterAll } from "vitest"

import { type Exported, exportTo, layerOver, temporaryFolder, versionOf } from "./Exported.ts"

/** What ffmpeg has to say of a presentation that it plays from beginning to end. */
const played = (playlist: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const args = [
      "-nostdin",
      "-hide_banner",
      "-v",
      "warning",
      "-xerror",
      "-i",
      playlist,
      "-map",
      "0",
      "-f",
      "null",
      "-"
    ]
    const child = execFile(ffmpeg() ?? "ffmpeg", args, (error, _, said) =>
      resume(Effect.succeed(error === null ? said : `${said}\n${error.message}`))
    )
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const streamsOf = (packets: ReadonlyArray<Packet>): ReadonlyArray<ReadonlyArray<Packet>> =>
  [...new Set(packets.map(({ stream }) => stream))]
    .toSorted((a, b) => a - b)
    .map((stream) => packets.filter((packet) => packet.stream === stream))

/** The packets of all renditions, each stream once, in the order of the source: pictures first. */
const packagedStreams = Effect.fnUntraced(function* ({ renditions }: Exported, of: "joined" | "path") {
  const streams = yield* Effect.forEach(renditions, (rendition) =>
    Effect.map(packetsOf(rendition[of]), ({ packets, said }) => ({ streams: streamsOf(packets), said }))
  )
  const all = streams.flatMap(({ streams }) => streams)
  return {
    streams: [...all.filter(([first]) => first?.kind === "video"), ...all.filter(([first]) => first?.kind === "audio")],
    said: streams.map(({ said }) => said).join("")
  }
})

const contents = (packets: ReadonlyArray<Packet>) => packets.map(({ hash, size }) => `${size} ${hash}`)

/** The largest distance between presentations of the same packets, in seconds. */
const drift = (source: ReadonlyArray<Packet>, made: ReadonlyArray<Packet>): number =>
  source.reduce((most, packet, i) => Math.max(most, Math.abs((made[i]?.pts ?? 0) - packet.pts)), 0)

/** When each segment of packed audio says that it begins, and how many packets it has. */
const packedSegments = ({ renditions }: Exported) =>
  Effect.forEach(
    renditions.flatMap(({ path, playlist }) =>
      playlist.map === null ? playlist.segments.map(({ uri }) => join(path, "..", uri)) : []
    ),
    (path) =>
      Effect.map(packetsOf(path), ({ packets }) => ({
        count: packets.length,
        seconds: Number(readFileSync(path).readBigUInt64BE(65)) / 90_000
      }))
  )

/**
 * The same for packed audio, by its own tags: ffmpeg notes them when it fills its buffer, which is up to 32 KiB before the
 * packets that they stand before. They know nothing before 0: what comes before it moves the whole by less than a frame.
 */
const tagDrift = (source: ReadonlyArray<Packet>, segments: Effect.Success<ReturnType<typeof packedSegments>>) => {
  const early = Math.max(0, -(source[0]?.pts ?? 0))
  assert.isBelow(early, 0.027)
  let first = 0
  let most = 0
  for (const { count, seconds } of segments) {
    most = Math.max(most, Math.abs(seconds - early - (source[first]?.pts ?? Infinity)))
    first += count
  }
  assert.strictEqual(first, source.length)
  return most
}

/** Seconds. Matroska counts in milliseconds, of which ffprobe takes a delay that it counts more finely. */
const toleranceOf = (name: string): number => (/\.(mk[av]|webm)$/.test(name) ? 0.001_01 : 0.000_02)

/** ffprobe takes the heads of ADTS for a part of its packets. */
const likeness: Partial<Record<SegmentCorpus.Name, SegmentCorpus.Name>> = { "aac.aac": "adts.m4a" }

/** Whether each rendition of pictures promises that its segments can be decoded alone, and whether they can. */
const aloneIn = Effect.fnUntraced(function* ({ renditions }: Exported) {
  const withInit = renditions.filter(({ playlist }) => playlist.map !== null)
  return yield* Effect.forEach(withInit, ({ path, playlist }) =>
    Effect.gen(function* () {
      const folder = join(path, "..")
      const init = readFileSync(join(folder, playlist.map ?? ""))
      const segments = yield* Effect.forEach(playlist.segments, ({ uri }) => {
        const file = join(folder, `alone-${uri}.mp4`)
        writeFileSync(file, Buffer.concat([init, readFileSync(join(folder, uri))]))
        return packetsOf(file)
      })
      const isAlone = segments.every(({ packets }) => {
        const [first, ...others] = packets.filter(({ kind }) => kind === "video")
        return first === undefined || (first.isKey && others.every(({ pts }) => pts >= first.pts))
      })
      return { path, isPromised: playlist.isIndependent, isAlone }
    })
  )
})

const isMonotonic = (packets: ReadonlyArray<Packet>) =>
  packets.every((packet, i) => i === 0 || packet.dts >= (packets[i - 1]?.dts ?? 0))

const seconds = (packets: ReadonlyArray<Packet>) => Math.max(...packets.map(({ pts }) => pts))

/** Of each file, what was looked at and how it ended: printed as a table at the end. */
const checks = ["packets", "times", "playlists", "ffmpeg", "length"] as const
const table = new Map<string, Map<(typeof checks)[number], boolean>>()
const noted = <A>(name: string, check: (typeof checks)[number], work: () => A): A => {
  const row = table.get(name) ?? new Map<(typeof checks)[number], boolean>()
  table.set(name, row)
  row.set(check, false)
  const done = work()
  row.set(check, true)
  return done
}

describeWith(["ffmpeg"], "A presentation packaged for HLS", () => {
  for (const name of SegmentCorpus.names) {
    it.effect(`has every packet of ${name} at its time, plays without a warning, and keeps to RFC 8216`, () =>
      Effect.gen(function* () {
        const path = yield* SegmentCorpus.file(name)
        const folder = yield* temporaryFolder
        const [exported] = yield* Effect.gen(function* () {
          return [yield* exportTo(folder, yield* versionOf(path))] as const
        }).pipe(Effect.provide(layerOver(path, join(folder, "derived"))))
        assert.deepStrictEqual(exported.wrongSizes, [])

        const source = streamsOf((yield* packetsOf(yield* SegmentCorpus.file(likeness[name] ?? name))).packets)
        const joined = yield* packagedStreams(exported, "joined")
        const fetched = yield* packagedStreams(exported, "path")
        noted(name, "packets", () => {
          for (const { said, streams } of [joined, fetched]) {
            assert.strictEqual(said, "")
            assert.deepStrictEqual(streams.map(contents), source.map(contents))
          }
        })
        const packed = yield* packedSegments(exported)
        noted(name, "times", () => {
          const isPacked = exported.renditions.some(({ playlist }) => playlist.map === null)
          for (const [i, stream] of source.entries()) {
            if (isPacked && stream[0]?.kind === "audio") assert.isBelow(tagDrift(stream, packed), toleranceOf(name))
            else assert.isBelow(drift(stream, fetched.streams[i] ?? []), toleranceOf(name))
          }
          // Of packed audio the tags have shown it: between them ffmpeg counts from where its buffer was filled.
          const told = [...joined.streams, ...fetched.streams].filter(([first]) => !isPacked || first?.kind === "video")
          assert.isTrue(told.every(isMonotonic))
        })
        const alone = yield* aloneIn(exported)
        noted(name, "playlists", () => {
          // Cues don't tell what is shown before a keyframe: where they are all that is known, less is promised.
          for (const { isAlone, isPromised, path } of alone) {
            if (isPromised || !/\.(mkv|webm)$/.test(name)) assert.strictEqual(isPromised, isAlone, path)
          }
          assert.deepStrictEqual(exported.multivariant.mistakes, [])
          for (const { playlist } of exported.renditions) assert.deepStrictEqual(playlist.mistakes, [])
          const bandwidth = Math.max(...exported.multivariant.variants.map((variant) => Number(variant["BANDWIDTH"])))
          for (const { bytes, seconds } of exported.weights) {
            if (seconds >= 0.5) assert.isAtMost((bytes * 8) / seconds, bandwidth)
          }
        })
        noted(name, "length", () => {
          for (const { joined, playlist } of exported.renditions) {
            // Pictures and sound that don't end together do so in one segment.
            const most = name === "short-sound.mp4" ? 15 : 10.5
            assert.isAtMost(Math.max(...playlist.segments.map(({ seconds }) => seconds)), most, joined)
          }
          const [main] = exported.renditions
          const listed = main?.playlist.segments.reduce((sum, segment) => sum + segment.seconds, 0) ?? 0
          const streams = exported.renditions.length > 1 ? source.slice(0, 1) : source
          const shown = Math.max(...streams.map((packets) => seconds(packets)))
          const began = Math.max(0, Math.min(...streams.map((packets) => Math.min(...packets.map(({ pts }) => pts)))))
          // To a millisecond, but for the last packet, of which ffprobe doesn't tell how long it lasts.
          assert.isAtLeast(listed + 0.001, shown - began)
          assert.isAtMost(listed, shown - began + 0.2)
        })
        const said = yield* played(exported.main)
        const isPacked = exported.renditions.some(({ playlist }) => playlist.map === null)
        // What is in its buffer when it comes to a tag, ffmpeg takes for later than it is: see above.
        const heard = isPacked ? said.replaceAll(/^.*non monotonically increasing dts.*\n/gm, "") : said
        noted(name, "ffmpeg", () => assert.strictEqual(heard, ""))
      }).pipe(Effect.scoped, Effect.provide(NodeServices.layer))
    )
  }

  afterAll(() => {
    const width = Math.max(...SegmentCorpus.names.map(({ length }) => length))
    const rows = [...table].map(([name, row]) => {
      const cells = checks.map((check) => (row.get(check) === true ? "yes" : "NO").padEnd(check.length))
      return [name.padEnd(width), ...cells].join("  ")
    })
    const head = ["file".padEnd(width), ...checks].join("  ")
    process.stdout.write(`\n${[head, ...rows].join("\n")}\n`)
  })
})

import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, it, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import * as Stream from "effect/Stream"

import * as Ffmpeg from "../src/Ffmpeg.ts"
import { containers, generateArgs, mediaArgs, probeLimits } from "../src/FfmpegArgs.ts"
import * as LoopbackReader from "../src/LoopbackReader.ts"
import * as Probe from "../src/Probe.ts"
import * as Samples from "../src/Samples.ts"
import * as Thumbnails from "../src/Thumbnails.ts"
import { hasFfmpeg, Library, needsFfmpeg, put } from "./Fixtures.ts"
import * as MemoryStore from "./MemoryStore.ts"
import { hasProc, processesWith } from "./Processes.ts"
import { everything, layerOptions } from "./TestLayers.ts"

/** What is wrong with a call: nothing, of those that are built here. `argv` begins with the tool. */
const faults = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  const tool = path.basename(argv[0] ?? "")
  const after = (option: string) => argv[argv.indexOf(option) + 1]
  const inputs = argv.flatMap((arg, at) => (arg === "-i" ? [argv[at + 1] ?? ""] : []))
  const isGenerated = after("-f") === "lavfi"
  const rules: ReadonlyArray<readonly [rule: string, holds: boolean]> = [
    ["-nostdin", tool === "ffprobe" || argv.includes("-nostdin")],
    ["-protocol_whitelist", argv.includes("-protocol_whitelist")],
    ["protocols of input", isGenerated || after("-protocol_whitelist") === "http,tcp"],
    ["formats of input", isGenerated || after("-format_whitelist") === containers.join(",")],
    ["before the input", isGenerated || argv.indexOf("-format_whitelist") < argv.indexOf("-i")],
    ["one input", isGenerated || inputs.length === 1],
    [
      "a loopback address, or nothing that is a path",
      inputs.every((input) =>
        isGenerated ? !input.includes("/") : /^http:\/\/127\.0\.0\.1:\d+\/[0-9a-f]{32}\/media$/.test(input)
      )
    ],
    ["format of output", tool === "ffprobe" || argv.slice(argv.indexOf("-i")).includes("-f")],
    ["to standard output", tool === "ffprobe" || isGenerated || argv.at(-1) === "pipe:1"]
  ]
  return rules.flatMap(([rule, holds]) => (holds ? [] : [`${rule}: ${argv.join(" ")}`]))
}

describe("FfmpegArgs", () => {
  it("names no demuxer that opens what a file names [M1]", () => {
    const followers = new Set([
      "hls",
      "dash",
      "concat",
      "sdp",
      "rtsp",
      "rtp",
      "image2",
      "lavfi",
      "imf",
      "webm_dash_manifest"
    ])
    assert.deepStrictEqual(
      containers.filter((name) => followers.has(name) || name.endsWith("_pipe")),
      []
    )
  })

  it("builds only calls that read one loopback address [M1]", () => {
    const url = `http://127.0.0.1:1/${"0".repeat(32)}/media`
    const calls = [
      ["ffprobe", ...mediaArgs({ tool: "ffprobe", show: ["-show_format"] }, url, probeLimits)],
      ["ffmpeg", ...mediaArgs({ tool: "ffmpeg", output: [], format: "mpegts" }, url, probeLimits)],
      [
        "ffmpeg",
        ...mediaArgs({ tool: "ffmpeg", seekSeconds: 1, input: ["-y"], output: [], format: "x" }, url, probeLimits)
      ],
      ["ffmpeg", ...generateArgs({ sources: ["testsrc2"], output: [], format: "mp4", path: "/x" })]
    ]
    assert.deepStrictEqual(calls.flatMap(faults), [])
    assert.isNotEmpty(faults(["ffmpeg", "-i", "/etc/passwd", "x.mp4"]))
  })
})

describe.skipIf(!hasFfmpeg)(`Ffmpeg${needsFfmpeg}`, () => {
  const spawned: Array<ReadonlyArray<string>> = []
  const recording = Layer.effect(
    ChildProcessSpawner.ChildProcessSpawner,
    Effect.map(ChildProcessSpawner.ChildProcessSpawner, (inner) =>
      ChildProcessSpawner.make((command) => {
        if (command._tag === "StandardCommand") spawned.push([command.command, ...command.args.map(String)])
        return inner.spawn(command)
      })
    )
  )

  layer(
    everything,
    layerOptions
  )((it) => {
    it.effect("is the only way in which anything here starts a tool [M1]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { probe } = yield* Probe.Probe
        const thumbnails = yield* Thumbnails.Thumbnails
        for (const name of ["h264.avi", "h264.mp4", "cover.mp3", "wmv2.wmv"]) {
          const object = yield* library.object(name)
          yield* thumbnails.make(library.store, object, yield* probe(library.store, object))
        }
        yield* Samples.writeSamples(path.join(library.folder, "recorded"))
        const calls = spawned
          .map((argv) => argv.slice(argv.findIndex((arg) => /\/ff(mpeg|probe)$/.test(arg))))
          .filter((argv) => !argv.includes("-version"))
        assert.isAtLeast(calls.length, 8)
        assert.deepStrictEqual(calls.flatMap(faults), [])
      }).pipe(
        Effect.provide(
          Layer.mergeAll(Probe.layerNoDeps(), Thumbnails.layerNoDeps).pipe(
            Layer.provideMerge(Ffmpeg.layerNoDeps()),
            Layer.provide(LoopbackReader.layer),
            Layer.provide(recording)
          ),
          // Built anew: the layers of the suite are the same values, and would be shared.
          { local: true }
        )
      )
    )

    it.effect("streams what it makes, and stops when the stream is given up", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { stream } = yield* Ffmpeg.Ffmpeg
        const run = {
          step: "test",
          input: { store: library.store, object: yield* library.object("h264.mp4") },
          call: { tool: "ffmpeg", input: ["-stream_loop", "-1"], output: ["-c", "copy"], format: "mpegts" }
        } as const
        const first = yield* Stream.runHead(stream({ ...run, limits: { wallSeconds: Infinity } }))
        assert.strictEqual(first._tag, "Some")
        if (hasProc) assert.deepStrictEqual(processesWith("-stream_loop"), [])
      })
    )

    it.effect("stops at its budget, and says so [M1]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { run } = yield* Ffmpeg.Ffmpeg
        const object = yield* library.object("h264.avi")
        const call = { tool: "ffmpeg", output: ["-c", "copy"], format: "mpegts" } as const
        const error = yield* Effect.flip(
          run({ step: "test", input: { store: library.store, object }, call, budgetBytes: object.sizeBytes / 2 })
        )
        assert.deepInclude(error, { _tag: "MediaResourceExceeded", resource: "input" })
      })
    )

    it.effect("tells that an object was replaced or vanished instead of what the tool made of it [M1]", () =>
      Effect.gen(function* () {
        const library = yield* Library
        const { run } = yield* Ffmpeg.Ffmpeg
        const avi = fs.readFileSync(path.join(library.folder, "h264.avi"))
        const call = { tool: "ffmpeg", output: ["-c", "copy"], format: "mpegts" } as const
        const attempt = (meanwhile: (store: MemoryStore.MemoryStore) => void) => {
          const store = MemoryStore.make()
          const object = store.put("a.avi", avi, "v1")
          store.onRead = () => Effect.sync(() => meanwhile(store))
          return Effect.flip(run({ step: "test", input: { store, object }, call }))
        }
        assert.strictEqual((yield* attempt((store) => store.put("a.avi", avi, "v2")))._tag, "ObjectChanged")
        assert.strictEqual((yield* attempt((store) => store.remove("a.avi")))._tag, "ObjectNotFound")
        const store = MemoryStore.make()
        store.onRead = () => Effect.fail(MemoryStore.unavailable)
        const error = yield* Effect.flip(
          run({ step: "test", input: { store, object: store.put("a.avi", avi, "v1") }, call })
        )
        assert.strictEqual(error._tag, "StoreUnavailable")

        const object = yield* put("swapped.avi", Buffer.alloc(5_000, 1))
        yield* put("swapped.avi", Buffer.alloc(6_000, 1))
        const local = yield* Effect.flip(run({ step: "test", input: { store: library.store, object }, call }))
        assert.strictEqual(local._tag, "ObjectChanged")
      })
    )
  })
})

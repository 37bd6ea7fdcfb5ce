import * as fs from "node:fs"
import * as path from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

import * as Demuxer from "../src/Demuxer.ts"
import * as Ffmpeg from "../src/Ffmpeg.ts"
import { FfmpegMissing } from "../src/MediaError.ts"
import * as Probe from "../src/Probe.ts"
import * as MemoryStore from "./MemoryStore.ts"
import { hasProc, processesWith } from "./Processes.ts"
import { ffmpegOf } from "./TestLayers.ts"

const isRoot = process.getuid?.() === 0

/** A store that needs no files, with an object that only ffprobe is asked about. */
const remote = () => {
  const store = MemoryStore.make()
  return { store, object: store.put("a.bin", new Uint8Array(5_000).fill(1), "v1") }
}

/** A tool that does what this script says; `-version` is answered as ffmpeg does. */
const fakeTool = Effect.fnUntraced(function* (script: string) {
  const folder = yield* Effect.acquireRelease(
    Effect.sync(() => fs.mkdtempSync("/tmp/joy-fake-")),
    (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
  )
  // For the user that tools run as.
  fs.chmodSync(folder, 0o755)
  const file = path.join(folder, "ffprobe")
  const version = 'for a; do [ "$a" = -version ] && { echo "ffprobe version 7.1 Copyright"; exit 0; }; done'
  fs.writeFileSync(file, `#!/bin/sh\n${version}\n${script}\n`, { mode: 0o755 })
  return ffmpegOf({ ffprobePath: file })
})

const runFake = (script: string, limits: Ffmpeg.MediaRun["limits"] = {}) =>
  Effect.gen(function* () {
    const tools = yield* fakeTool(script)
    return yield* Effect.provide(
      Effect.gen(function* () {
        const ffmpeg = yield* Ffmpeg.Ffmpeg
        return yield* ffmpeg.run({ step: "test", input: remote(), call: { tool: "ffprobe", show: [] }, limits })
      }),
      tools
    )
  })

describe.skipIf(process.platform === "win32")("Ffmpeg over a tool that misbehaves", () => {
  it.live("kills a tool that hangs, and its children, at its limit [M2]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runFake("sleep 7001 & sleep 7002", { wallSeconds: 0.5 }))
      assert.strictEqual(error._tag, "MediaTimeout")
      if (hasProc) assert.deepStrictEqual(processesWith("sleep 700"), [])
    })
  )

  it.live("fails a probe that hangs as a bad file within its limit [M2]", () =>
    Effect.gen(function* () {
      const tools = yield* fakeTool("exec sleep 7003")
      const probe = Probe.layerNoDeps({ limitSeconds: 0.5 }).pipe(Layer.provide(Layer.merge(tools, Demuxer.layer())))
      const { store, object } = remote()
      const error = yield* Effect.flip(
        Effect.provide(
          Effect.flatMap(Probe.Probe, ({ probe }) => probe(store, object)),
          probe
        )
      )
      assert.strictEqual(error._tag, "MediaTimeout")
      if (hasProc) assert.deepStrictEqual(processesWith("sleep 7003"), [])
    })
  )

  it.live.skipIf(!hasProc)("kills the tool when nobody waits for it any more [M2]", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(runFake("exec sleep 7004"))
      yield* Effect.suspend(() =>
        processesWith("sleep 7004").length > 0 ? Effect.void : Effect.fail("not started" as const)
      ).pipe(Effect.retry({ schedule: Schedule.spaced("20 millis") }))
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(processesWith("sleep 7004"), [])
    })
  )

  it.live("stops a tool that writes more than it may [M2]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runFake("yes", { outputBytes: 100_000 }))
      assert.deepInclude(error, { _tag: "MediaResourceExceeded", resource: "output" })
    })
  )

  it.live("tells nothing of ours in its message [M1]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        runFake('for a; do :; done; echo "[mov @ 0x55d0] $a: something strange" >&2; exit 1')
      )
      assert.strictEqual(error._tag, "UnreadableMedia")
      assert.match(error.message, /can't be read: the object: something strange$/)
    })
  )

  it.live("takes a crash for a bad file [M4]", () =>
    Effect.gen(function* () {
      assert.match((yield* Effect.flip(runFake("kill -SEGV $$"))).message, /crash \(SIGSEGV\)/)
    })
  )

  it.live("survives a flood on standard error [M4]", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(runFake("yes complaint | head -c 5000000 >&2; echo last words >&2; exit 1"))
      assert.match(error.message, /last words$/)
    })
  )

  it.live("inherits neither environment nor privileges, and has limits where the platform has them [M2]", () =>
    Effect.gen(function* () {
      process.env["JOY_TEST_SECRET"] = "hunter2"
      const output = yield* runFake(
        'env; echo "uid=$(id -u) gid=$(id -g) groups=$(id -G)"; ulimit -a; readlink /proc/$$/fd/0'
      )
      const text = Buffer.from(output).toString()
      assert.notInclude(text, "hunter2")
      assert.notInclude(text, "JOY_")
      const { setpriv, prlimit } = yield* Effect.map(Ffmpeg.Ffmpeg, ({ tools }) => tools.isolation).pipe(
        Effect.provide(ffmpegOf({}))
      )
      if (isRoot && setpriv !== null) assert.include(text, "uid=65533 gid=65533 groups=65533")
      if (prlimit !== null) assert.match(text, /file[ (].* 0\n/)
      if (hasProc) assert.include(text, "/dev/null")
    })
  )

  it.live.skipIf(process.platform !== "linux")("ends one that eats the processor or the memory [M2]", () =>
    Effect.gen(function* () {
      const { prlimit } = yield* Effect.map(Ffmpeg.Ffmpeg, ({ tools }) => tools.isolation).pipe(
        Effect.provide(ffmpegOf({}))
      )
      if (prlimit === null) return
      const spin = yield* Effect.flip(runFake("while :; do :; done", { cpuSeconds: 1 }))
      assert.deepInclude(spin, { _tag: "MediaResourceExceeded", resource: "cpu" })
      const error = yield* Effect.flip(
        runFake("x=x; while :; do x=$x$x; done || echo Cannot allocate memory >&2; exit 1", {
          memoryBytes: 50 * 2 ** 20
        })
      )
      assert.include(["MediaResourceExceeded", "UnreadableMedia"], error._tag)
    })
  )

  it.live.skipIf(!hasProc)("may write no file [M2]", () =>
    Effect.gen(function* () {
      const { prlimit } = yield* Effect.map(Ffmpeg.Ffmpeg, ({ tools }) => tools.isolation).pipe(
        Effect.provide(ffmpegOf({}))
      )
      if (prlimit === null) return
      const file = "/tmp/joy-fake-output"
      const output = yield* runFake(`(echo written > ${file}) 2>/dev/null; cat ${file} 2>/dev/null; echo end`)
      fs.rmSync(file, { force: true })
      assert.strictEqual(Buffer.from(output).toString(), "end\n")
    })
  )

  it.live("is there without the tools, and says what to install", () =>
    Effect.gen(function* () {
      const { tools, run } = yield* Ffmpeg.Ffmpeg
      assert.isTrue(tools.ffmpeg instanceof FfmpegMissing)
      const error = yield* Effect.flip(run({ step: "test", input: remote(), call: { tool: "ffprobe", show: [] } }))
      assert.strictEqual(error._tag, "FfmpegMissing")
      assert.match(error.message, /ffprobe does not run \(\/nowhere\/ffprobe\): install ffmpeg/)
    }).pipe(Effect.provide(ffmpegOf({ ffmpegPath: "/nowhere/ffmpeg", ffprobePath: "/nowhere/ffprobe" })))
  )

  it.live("refuses a version that is too old", () =>
    Effect.gen(function* () {
      const folder = fs.mkdtempSync("/tmp/joy-fake-")
      const file = path.join(folder, "ffprobe")
      fs.writeFileSync(file, "#!/bin/sh\necho ffprobe version 4.4.2 Copyright\n", { mode: 0o755 })
      const { tools } = yield* Effect.provide(Ffmpeg.Ffmpeg, ffmpegOf({ ffprobePath: file }))
      fs.rmSync(folder, { recursive: true })
      assert.match(tools.ffprobe instanceof FfmpegMissing ? tools.ffprobe.message : "", /4\.4\.2 is too old/)
    })
  )
})

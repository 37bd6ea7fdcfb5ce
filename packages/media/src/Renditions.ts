import { availableParallelism, tmpdir } from "node:os"
import { join } from "node:path"

import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import { StoreUnavailable } from "@joy/storage/StoreError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import type { PlatformError } from "effect/PlatformError"
import type * as Scope from "effect/Scope"

import * as Ffmpeg from "./Ffmpeg.ts"
import { mediaUser } from "./FfmpegArgs.ts"
import { type MediaError, UnreadableMedia } from "./MediaError.ts"
import type { ProbeResult } from "./ProbeResult.ts"
import { planOf, type RenditionPlan } from "./RenditionPlan.ts"

/** Makes of what browsers don't play one file that they do: H.264 and AAC in MP4, its index in front. */
export class Renditions extends Context.Service<
  Renditions,
  {
    /**
     * The path of the file, which is gone with the scope. `progress` hears now and then how much is done, from 0 to 1. What
     * browsers play already is taken over as it is coded.
     */
    readonly make: (
      store: ObjectStore,
      object: StoredObject,
      probe: ProbeResult,
      progress: (share: number) => Effect.Effect<void>
    ) => Effect.Effect<string, MediaError, Scope.Scope>
  }
>()("@joy/media/Renditions") {}

const step = "rendition"
const prefix = "joy-rendition-"
const maxThreads = 8
const abandonedAfterMillis = 2 * 24 * 60 * 60 * 1000

const failed = (error: PlatformError) =>
  new StoreUnavailable({ operation: "write a temporary file", reason: error.message, retryable: false })

const make = Effect.gen(function* () {
  const ffmpeg = yield* Ffmpeg.Ffmpeg
  const fs = yield* FileSystem.FileSystem
  const threads = Math.min(maxThreads, availableParallelism())

  /** A file that ffmpeg may write, in a folder where it can't put anything else in its place. */
  const temporaryFile = Effect.gen(function* () {
    const folder = yield* fs.makeTempDirectoryScoped({ prefix })
    const path = join(folder, "rendition.mp4")
    yield* fs.writeFile(path, new Uint8Array(), { mode: 0o600 })
    if (ffmpeg.tools.isolation.setpriv !== null) {
      yield* fs.chown(path, mediaUser, mediaUser)
      yield* fs.chmod(folder, 0o711)
    }
    return path
  }).pipe(Effect.mapError(failed))

  /** What processes that were killed have left, later than any encoding takes. */
  const sweep = Effect.gen(function* () {
    const oldest = (yield* Clock.currentTimeMillis) - abandonedAfterMillis
    for (const name of yield* fs.readDirectory(tmpdir())) {
      const path = join(tmpdir(), name)
      if (!name.startsWith(prefix)) continue
      const { mtime } = yield* fs.stat(path)
      if (Option.isSome(mtime) && mtime.value.getTime() < oldest) yield* fs.remove(path, { recursive: true })
    }
  })
  yield* Effect.ignore(sweep)

  return Renditions.of({
    make: Effect.fn("Renditions.make")(function* (store, object, probe, progress) {
      const path = yield* temporaryFile
      const planned = (mayCopy: boolean) => {
        const plan = planOf(probe, { mayCopy, sizeBytes: object.sizeBytes, threads })
        return plan === null
          ? Effect.fail(new UnreadableMedia({ step, reason: "holds nothing that can be made playable" }))
          : Effect.succeed(plan)
      }
      const encode = Effect.fnUntraced(function* ({ limits, output }: RenditionPlan) {
        let holdsSome = false
        yield* ffmpeg.encode({
          step,
          input: { store, object },
          call: { output, format: "mp4", path, input: ["-fflags", "+genpts"] },
          limits,
          progress: (done) => {
            holdsSome = true
            return probe.durationSeconds === null ? Effect.void : progress(Math.min(1, done / probe.durationSeconds))
          }
        })
        // ffmpeg is content with an object of which nothing could be decoded.
        if (!holdsSome) return yield* new UnreadableMedia({ step, reason: "holds nothing that can be decoded" })
      })
      const plan = yield* planned(true)
      // What is damaged in a way that can't be taken over may be decoded all the same.
      yield* encode(plan).pipe(
        Effect.catchTag("UnreadableMedia", (error) =>
          plan.copiesVideo ? Effect.flatMap(planned(false), encode) : Effect.fail(error)
        )
      )
      return path
    })
  })
})

export const layerNoDeps: Layer.Layer<Renditions, never, Ffmpeg.Ffmpeg | FileSystem.FileSystem> = Layer.effect(
  Renditions,
  make
)

import type { StoredObject } from "@joy/domain/StoredObject"
import { SourceStore } from "@joy/storage/ObjectStore"
import type { StoreUnavailable } from "@joy/storage/StoreError"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { IngestConfig } from "./IngestConfig.ts"

export interface Settled {
  readonly settled: ReadonlyArray<StoredObject>
  /** These have to wait. */
  readonly unsettled: ReadonlyArray<StoredObject>
}

/**
 * Tells objects that are whole from those that are being written.
 *
 * A folder shows a file from its first byte on. A file whose modification time is older than `settle` (2 s) is taken at
 * once: so is one that was renamed into the folder when its copy was done. A younger one is looked at a second time,
 * `settleLook` (400 ms) after it was listed, and taken if it has the same version (size, time in nanoseconds, inode)
 * still; else the next scan, which follows soon, decides. A writer that pauses for longer than that is found out later:
 * the object then has another version, and everything starts again with it. On S3 objects appear whole, and nothing waits.
 *
 * Only objects that are new or changed are asked about: the wait is once for a page, and none where nothing happened.
 */
export class Settling extends Context.Service<
  Settling,
  {
    /** The objects must have been listed just now. */
    readonly settle: (objects: ReadonlyArray<StoredObject>) => Effect.Effect<Settled, StoreUnavailable>
  }
>()("@joy/ingest/Settling") {
  static readonly layer = Layer.effect(
    Settling,
    Effect.gen(function* () {
      const store = yield* SourceStore
      const config = yield* IngestConfig
      const settleMillis = store.kind === "s3" ? 0 : Duration.toMillis(config.settle)

      const isAsListed = Effect.fnUntraced(
        function* (object: StoredObject) {
          const now = yield* store.head(object.key)
          return now.etag === object.etag
        },
        Effect.catchTag("ObjectNotFound", () => Effect.succeed(false))
      )

      const settle = Effect.fn("Settling.settle")(function* (objects: ReadonlyArray<StoredObject>) {
        const now = yield* Clock.currentTimeMillis
        // A time in the future that clocks don't explain is no reason to wait until then.
        const isYoung = (object: StoredObject) => Math.abs(now - object.modifiedAt) < settleMillis
        const young = objects.filter(isYoung)
        if (young.length === 0) return { settled: objects, unsettled: [] }
        yield* Effect.sleep(config.settleLook)
        const whole = yield* Effect.forEach(young, isAsListed, { concurrency: 16 })
        const unsettled = young.filter((_, index) => whole[index] === false)
        return { settled: objects.filter((object) => !unsettled.includes(object)), unsettled }
      })

      return Settling.of({ settle })
    })
  )
}

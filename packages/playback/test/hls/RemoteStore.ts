import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"

/** A store as S3 is one: nothing of it is open here, and every read is a request. */
export interface RemoteStore {
  readonly store: ObjectStore
  /** What was asked for, in order. */
  readonly reads: Array<{ readonly start: number; readonly end: number }>
  /** Called before each read. */
  onRead: () => Effect.Effect<void>
}

export const remote = (folder: ObjectStore): RemoteStore => {
  const made: RemoteStore = {
    reads: [],
    onRead: () => Effect.void,
    store: {
      ...folder,
      kind: "s3",
      openLocal: () => Effect.succeed(null),
      read: (key, options = {}) =>
        Effect.suspend(() => {
          made.reads.push(options.range ?? { start: 0, end: Infinity })
          return Effect.andThen(made.onRead(), folder.read(key, options))
        })
    }
  }
  return made
}

import { basename, dirname } from "node:path"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { ObjectKey } from "@joy/domain/StoredObject"
import * as Media from "@joy/media/Media"
import { Probe } from "@joy/media/Probe"
import { Storyboards } from "@joy/media/Storyboards"
import { Thumbnails } from "@joy/media/Thumbnails"
import * as FolderStore from "@joy/storage/FolderStore"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"

/** A store that hands out no files, as S3 does, and counts the bytes that are taken from it. */
const counted = (store: ObjectStore) => {
  let bytes = 0
  const counting: ObjectStore = {
    ...store,
    openLocal: () => Effect.succeed(null),
    read: (key, options) =>
      Effect.map(store.read(key, options), (body) => ({
        ...body,
        stream: Stream.tap(body.stream, (chunk) => Effect.sync(() => void (bytes += chunk.length)))
      }))
  }
  const take = () => {
    const taken = bytes
    bytes = 0
    return taken
  }
  return { store: counting, take }
}

/** Which part of a file is read to show it, and for its storyboard. */
export const readShares = (path: string): Promise<{ readonly shown: number; readonly storyboard: number }> =>
  Effect.gen(function* () {
    const { store, take } = counted(yield* FolderStore.make({ root: dirname(path), readOnly: true }))
    const object = yield* store.head(ObjectKey.make(basename(path)))
    const found = yield* (yield* Probe).probe(store, object)
    yield* (yield* Thumbnails).make(store, object, found)
    const shown = take() / object.sizeBytes
    yield* (yield* Storyboards).make(store, object, found)
    return { shown, storyboard: take() / object.sizeBytes }
  }).pipe(Effect.scoped, Effect.provide(Media.layer().pipe(Layer.provideMerge(NodeServices.layer))), Effect.runPromise)

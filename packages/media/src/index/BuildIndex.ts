import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import { UnreadableMedia } from "../MediaError.ts"
import * as ObjectBytes from "../ObjectBytes.ts"
import { sniff, sniffBytes } from "../Sniff.ts"
import * as AudioIndex from "./audio/AudioIndex.ts"
import * as OggOpus from "./audio/OggOpus.ts"
import { headBytes, type IndexFailure, type IndexSource, step } from "./IndexSource.ts"
import * as MatroskaIndex from "./matroska/MatroskaIndex.ts"
import type { MediaIndex } from "./MediaIndex.ts"
import * as Mp4Index from "./mp4/Mp4Index.ts"

/** Most bytes that are read for an index: a fragmented film of ten hours has less, and so has any other. */
const budgetBytes = 128 * 2 ** 20
/** The head of a fragment is a few of these: larger ones would read as much of the pictures. */
const blockBytes = 4 * 2 ** 10

/** Decides by the first bytes who builds: the one place that knows of all containers. */
export const buildFrom = Effect.fn("BuildIndex.buildFrom")(function* (
  source: IndexSource
): Effect.fn.Return<MediaIndex, IndexFailure> {
  // Most indexes that are at the beginning are in it whole, and the source keeps what it has read.
  const head = yield* source.read(0, Math.min(headBytes, source.sizeBytes))
  const found = sniff(head.subarray(0, sniffBytes))
  const kind = found.type === "container" ? found.kind : null
  switch (kind) {
    case "mp4":
      return yield* Mp4Index.build(source)
    case "matroska":
      return yield* MatroskaIndex.build(source)
    case "mp3":
    case "adts":
    case "flac":
      return yield* AudioIndex.build(source)
    case "ogg":
      return yield* OggOpus.build(source)
    default:
      return yield* new UnreadableMedia({ step, reason: "is in no container that segments are made from" })
  }
})

/** Builds the index of one version of an object in few reads of the store. */
export const build = Effect.fn("BuildIndex.build")(function* (
  store: ObjectStore,
  object: StoredObject
): Effect.fn.Return<MediaIndex, IndexFailure, Scope.Scope> {
  const bytes = yield* ObjectBytes.open(store, object, { step, budgetBytes, blockBytes })
  return yield* buildFrom(bytes)
}, Effect.scoped)

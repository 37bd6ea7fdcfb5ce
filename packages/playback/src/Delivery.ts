import { ServiceUnavailable } from "@joy/domain/Problem"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import type { ByteRange, LocalFile, ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged, type StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"

import * as ByteRanges from "./ByteRanges.ts"

/** What to answer: the decision about one version of an object, and where its bytes come from. */
export interface Delivery {
  readonly version: ByteRanges.ContentVersion
  readonly mimeType: string
  readonly decision: ByteRanges.ContentDecision
  /** Whether ranges of it may be asked for. */
  readonly ranges: "bytes" | "none"
  /** `null` when the answer has no body. A local file is sent by the edge itself, without a stream between. */
  readonly body: DeliveryBody | null
}

export type DeliveryBody =
  /** From `start` to `end`, both included. `head` comes before it. */
  | ({ readonly _tag: "File"; readonly head: Uint8Array | null; readonly file: LocalFile } & ByteRange)
  | { readonly _tag: "Stream"; readonly stream: Stream.Stream<Uint8Array, unknown> }
  | { readonly _tag: "Bytes"; readonly bytes: Uint8Array }

/** A request for bytes, as the edge reads it. */
export interface Wanted {
  readonly headOnly: boolean
  readonly request: ByteRanges.ContentRequest
}

export interface Deliverable {
  readonly key: ObjectKey
  readonly mimeType: string
  /** The only version that will do, where one is known: a remote store is then asked once. */
  readonly version?: { readonly etag: ETag; readonly sizeBytes: number } | undefined
}

/** The bytes that are sent; `null` for none. */
export const sentRange = (
  { headOnly }: Wanted,
  decision: ByteRanges.ContentDecision,
  { sizeBytes }: ByteRanges.ContentVersion
): ByteRange | null => {
  if (headOnly || sizeBytes === 0) return null
  if (decision._tag === "Partial") return { start: decision.start, end: decision.end }
  return decision._tag === "Whole" ? { start: 0, end: sizeBytes - 1 } : null
}

/** Decides against the version that is then sent, so that no answer mixes two. What is open closes with the scope. */
export const deliver = Effect.fnUntraced(function* (
  store: ObjectStore,
  { key, mimeType, version: known }: Deliverable,
  wanted: Wanted
) {
  const ranges = "bytes" as const
  const file = yield* store.openLocal(key, { ifMatch: known?.etag })
  if (file !== null) {
    const version = file.object
    const decision = ByteRanges.decide(wanted.request, version)
    const range = sentRange(wanted, decision, version)
    const body = range && ({ _tag: "File", head: null, file, ...range } as const)
    return { version, mimeType, decision, ranges, body }
  }
  // The header of a known version is asked for only where nothing else would tell that it is gone.
  const version = known !== undefined && !wanted.headOnly ? { ...known, modifiedAt: null } : yield* store.head(key)
  if (known !== undefined && version.etag !== known.etag) return yield* new ObjectChanged({ key })
  const decision = ByteRanges.decide(wanted.request, version)
  const range = sentRange(wanted, decision, version)
  if (range === null) return { version, mimeType, decision, ranges, body: null }
  const { stream } = yield* store.read(key, { ifMatch: version.etag, range })
  return { version, mimeType, decision, ranges, body: { _tag: "Stream", stream } as const }
})

/** What a client can do about a store that does not answer. */
export const unavailable = (error: StoreUnavailable) =>
  Effect.andThen(
    Effect.logWarning("The store could not be read", error),
    Effect.fail(new ServiceUnavailable({ detail: "The store does not answer", retryAfterSeconds: 5 }))
  )

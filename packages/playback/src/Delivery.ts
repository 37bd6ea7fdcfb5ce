import { ServiceUnavailable } from "@joy/domain/Problem"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import type { LocalFile, ObjectBody, ObjectStore } from "@joy/storage/ObjectStore"
import { ObjectChanged, type StoreUnavailable } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"

import * as ByteRanges from "./ByteRanges.ts"

/** What to answer: the decision about one version of an object, and where its bytes come from. */
export interface Delivery {
  readonly version: ByteRanges.ContentVersion
  readonly mimeType: string
  readonly decision: ByteRanges.ContentDecision
  /** `null` when the answer has no body. A local file is sent by the edge itself, without a stream between. */
  readonly body:
    | { readonly _tag: "File"; readonly file: LocalFile }
    | { readonly _tag: "Stream"; readonly body: ObjectBody }
    | null
}

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

const hasBody = (decision: ByteRanges.ContentDecision) => decision._tag === "Whole" || decision._tag === "Partial"

/** Decides against the version that is then sent, so that no answer mixes two. What is open closes with the scope. */
export const deliver = Effect.fnUntraced(function* (
  store: ObjectStore,
  { key, mimeType, version: known }: Deliverable,
  { headOnly, request }: Wanted
) {
  const file = yield* store.openLocal(key, { ifMatch: known?.etag })
  if (file !== null) {
    const decision = ByteRanges.decide(request, file.object)
    const body = headOnly || !hasBody(decision) ? null : ({ _tag: "File", file } as const)
    return { version: file.object, mimeType, decision, body }
  }
  // The header of a known version is asked for only where nothing else would tell that it is gone.
  const version = known !== undefined && !headOnly ? { ...known, modifiedAt: null } : yield* store.head(key)
  if (known !== undefined && version.etag !== known.etag) return yield* new ObjectChanged({ key })
  const decision = ByteRanges.decide(request, version)
  if (headOnly || !hasBody(decision)) return { version, mimeType, decision, body: null }
  const body = yield* store.read(key, {
    ifMatch: version.etag,
    range: decision._tag === "Partial" ? { start: decision.start, end: decision.end } : undefined
  })
  return { version, mimeType, decision, body: { _tag: "Stream", body } as const }
})

/** What a client can do about a store that does not answer. */
export const unavailable = (error: StoreUnavailable) =>
  Effect.andThen(
    Effect.logWarning("The store could not be read", error),
    Effect.fail(new ServiceUnavailable({ detail: "The store does not answer", retryAfterSeconds: 5 }))
  )

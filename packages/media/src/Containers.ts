import type { StoredObject } from "@joy/domain/StoredObject"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

import type { DemuxKind } from "./demux/DemuxMessages.ts"
import type { MediaResourceExceeded, StoreFailure } from "./MediaError.ts"
import * as ObjectBytes from "./ObjectBytes.ts"
import { sniff, sniffBytes } from "./Sniff.ts"

/** Opens an object, and says which of the containers that are read in process it is; `null` for any other. */
export const openContainer = Effect.fnUntraced(function* (
  store: ObjectStore,
  object: StoredObject,
  options: ObjectBytes.ObjectBytesOptions
): Effect.fn.Return<
  { readonly bytes: ObjectBytes.ObjectBytes; readonly kind: DemuxKind | null },
  StoreFailure | MediaResourceExceeded,
  Scope.Scope
> {
  const bytes = yield* ObjectBytes.open(store, object, options)
  const found = sniff(yield* bytes.read(0, sniffBytes))
  return { bytes, kind: found.type === "container" ? found.kind : null }
})

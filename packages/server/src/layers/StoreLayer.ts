import { SourceDeletion } from "@joy/ingest/Purge"
import * as FolderStore from "@joy/storage/FolderStore"
import * as S3Store from "@joy/storage/S3Store"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

/** The library, never written to. */
export const source = Layer.unwrap(
  Effect.map(Configuration, ({ source }) =>
    source._tag === "Folder" ? FolderStore.layerSource(source.root) : S3Store.layerSource({ ...source, readOnly: true })
  )
)

/** Deletes what users want deleted, by a store that may do so and is opened for that alone. */
export const deletion = Layer.effect(
  SourceDeletion,
  Effect.map(Configuration, ({ source }) => {
    const store =
      source._tag === "Folder" ? FolderStore.make({ root: source.root, readOnly: false }) : S3Store.make(source)
    return SourceDeletion.of({ delete: (key) => Effect.scoped(Effect.flatMap(store, (open) => open.delete(key))) })
  })
)

/** What is made from the library. */
export const derived = Layer.unwrap(
  Effect.map(Configuration, ({ derived }) =>
    derived._tag === "Folder" ? FolderStore.layerDerived(derived.root) : S3Store.layerDerived(derived)
  )
)

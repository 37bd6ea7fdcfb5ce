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

/** What is made from the library. */
export const derived = Layer.unwrap(
  Effect.map(Configuration, ({ derived }) =>
    derived._tag === "Folder" ? FolderStore.layerDerived(derived.root) : S3Store.layerDerived(derived)
  )
)

import { RenditionQueue } from "@joy/catalog/RenditionRequests"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { rendition } from "./DerivativeKind.ts"
import { Outbox } from "./Outbox.ts"

/** Renditions that players want are made by ingest, wherever that runs. */
export const layer = Layer.effect(
  RenditionQueue,
  Effect.map(Outbox, (outbox) => RenditionQueue.of({ add: (source) => outbox.demand(source, rendition.name) }))
).pipe(Layer.provide(Outbox.layer))

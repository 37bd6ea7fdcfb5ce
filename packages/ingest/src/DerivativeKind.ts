import type { ItemSuperseded } from "@joy/catalog/IngestedItem"
import type { MediaType } from "@joy/domain/MediaItem"
import { ObjectKey } from "@joy/domain/StoredObject"
import type { ProbeResult } from "@joy/media/ProbeResult"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import type { TakenWork } from "./Outbox.ts"
import type { StepError } from "./StepErrors.ts"

/** What was made: the files are in the derived store. */
export const Made = Schema.Struct({
  /** All that has to be there for it to be believed. */
  keys: Schema.Array(ObjectKey),
  /** What the catalogue is to know of it, as its kind writes it. */
  facts: Schema.Json
})
export type Made = typeof Made.Type

/**
 * A kind of derivative: what is made from every object. A new one is described below, made in a file of its own, and added
 * to `Derivatives`. The workflows, the outbox and `joy ingest rebuild` know kinds by nothing but this.
 */
export interface DerivativeKind extends DerivativeDescription {
  /** Makes it and writes it to the derived store. May be done twice. */
  readonly make: (work: TakenWork, probed: ProbeResult) => Effect.Effect<Made, StepError>
  /** Tells the catalogue of it. Belongs in the transaction that ends the step. */
  readonly record: (work: TakenWork, made: Made) => Effect.Effect<void, ItemSuperseded>
  /** Tells the catalogue that there will be none, where somebody waits for it. Belongs in the transaction that ends the run. */
  readonly recordFailure?: (work: TakenWork, message: string) => Effect.Effect<void>
}

export interface DerivativeDescription {
  /** What `--kind` says. */
  readonly name: string
  /** What the step is called where it fails. */
  readonly step: string
  /** Raised when it is made in another way. What was made in an older one can be told. */
  readonly version: number
  /** `probe`: no item is shown without it. `ready`: it gets it afterwards. `demand`: when somebody wants it. */
  readonly after: "probe" | "ready" | "demand"
  /** Whether it takes as long as the object plays. Such work has places of its own, so that files that come don't wait. */
  readonly isLong: boolean
  /** What it is made of. */
  readonly types: ReadonlyArray<MediaType>
}

export const thumbnail: DerivativeDescription = {
  name: "thumbnail",
  step: "thumbnails",
  version: 1,
  after: "probe",
  isLong: false,
  types: ["video", "audio", "image"]
}

export const storyboard: DerivativeDescription = {
  name: "storyboard",
  step: "storyboard",
  version: 1,
  after: "ready",
  isLong: false,
  types: ["video"]
}

export const subtitles: DerivativeDescription = {
  name: "subtitles",
  step: "subtitles",
  version: 1,
  after: "ready",
  isLong: false,
  types: ["video"]
}

export const rendition: DerivativeDescription = {
  name: "rendition",
  step: "rendition",
  version: 1,
  after: "demand",
  isLong: true,
  types: ["video", "audio"]
}

/** Every kind that there is. */
export const descriptions: ReadonlyArray<DerivativeDescription> = [thumbnail, storyboard, subtitles, rendition]

const longKinds = new Set(descriptions.filter(({ isLong }) => isLong).map(({ name }) => name))

/** Work of one pace waits for no other. */
export type Pace = "short" | "long"

/** `null` is the kind of work on whole objects. */
export const paceOf = (kind: string | null): Pace => (kind !== null && longKinds.has(kind) ? "long" : "short")

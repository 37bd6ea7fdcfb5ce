import * as Schema from "effect/Schema"

const FacetValue = Schema.Struct({ value: Schema.String, count: Schema.Finite }).annotate({ identifier: "FacetValue" })
export type FacetValue = typeof FacetValue.Type

/** How many of the items there are of what, the most first; years from the latest. */
export const Facets = Schema.Struct({
  types: Schema.Array(FacetValue),
  /** The 100 that most items have. */
  tags: Schema.Array(FacetValue),
  /** Of the film or the recording, or in which it was taken. */
  years: Schema.Array(FacetValue),
  /** Of pictures and of sound. */
  codecs: Schema.Array(FacetValue),
  /** `false`: more match than are counted, which are the 5,000 newest. */
  isComplete: Schema.Boolean
}).annotate({ identifier: "Facets" })
export type Facets = typeof Facets.Type

import * as Schema from "effect/Schema"

import { MediaItem } from "./MediaItem.ts"
import { Timestamp } from "./Timestamp.ts"

/** Where a player is. */
export const Progress = Schema.Struct({
  /** From the beginning; what lies behind the end is the end. */
  positionSeconds: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })),
  /** Whether the user has seen it all; where it is not said, the position tells. */
  finished: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "Progress" })
export type Progress = typeof Progress.Type

/** An item that the user has begun with. */
export const WatchedItem = Schema.Struct({
  ...MediaItem.fields,
  positionSeconds: Schema.Finite,
  watchedAt: Timestamp
}).annotate({ identifier: "WatchedItem" })
export type WatchedItem = typeof WatchedItem.Type

import { MediaItemId } from "@joy/domain/Ids"
import { MediaType } from "@joy/domain/MediaItem"
import { Chapter, MediaStream } from "@joy/domain/MediaStream"
import type { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Schema from "effect/Schema"

/** The item has another object version by now, was lost, or is gone: what was found out about this one is worth nothing. */
export class ItemSuperseded extends Schema.TaggedError<ItemSuperseded>()("ItemSuperseded", { itemId: MediaItemId }) {}

export interface ItemFailure {
  /** `list`, `probe`, `thumbnails` or `publish`. */
  readonly step: string
  readonly message: string
  readonly attempts: number
}

/** The pictures that stand for an item. */
export interface ItemPictures {
  readonly thumbnails: ReadonlyArray<{ readonly width: number; readonly height: number }>
  readonly thumbhash: string | null
}

/** An object that the catalogue does not have yet. */
export interface NewItem {
  readonly key: ObjectKey
  readonly etag: ETag
  readonly sizeBytes: number
  readonly type: MediaType
  readonly title: string
  /** Set for what can't even be read: the item is `failed` from the start. */
  readonly failure?: ItemFailure | undefined
}

/** An object that is under another key now. */
export interface MovedItem {
  readonly itemId: MediaItemId
  readonly key: ObjectKey
  readonly formerKey: ObjectKey
  /** What its name makes of its title, now and before. */
  readonly title: string
  readonly formerTitle: string
}

const number = Schema.NullOr(Schema.Finite)
const text = Schema.NullOr(Schema.String)

/** What probing found, one member for each column of its own. Strings may be anything that a file can hold. */
export const ProbedItem = Schema.Struct({
  type: MediaType,
  container: text,
  durationSeconds: number,
  /** Pixels as displayed. */
  width: number,
  height: number,
  frameRate: number,
  videoCodec: text,
  audioCodec: text,
  /** Bits per second. */
  bitrate: number,
  /** ISO 8601. */
  capturedAt: text,
  metadata: Schema.Unknown,
  streams: Schema.Array(MediaStream),
  chapters: Schema.Array(Chapter)
})
export type ProbedItem = typeof ProbedItem.Type

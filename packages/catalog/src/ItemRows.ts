import { MediaItemId } from "@joy/domain/Ids"
import { MediaStatus } from "@joy/domain/MediaItem"
import { ObjectKey } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { SqlError } from "effect/sql/SqlError"

import { ItemSuperseded, ProbedItem } from "./IngestedItem.ts"

/** A database that does not answer, and a row of ours that does not fit, are defects. */
export const decodeRows = <S extends Schema.Struct<Schema.Struct.Fields>>(row: S) => {
  const rows = Schema.decodeUnknownEffect(Schema.Array(row))
  return (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) => Effect.orDie(Effect.flatMap(statement, rows))
}
export const withId = decodeRows(Schema.Struct({ id: MediaItemId }))
export const withKey = decodeRows(Schema.Struct({ id: MediaItemId, s3Key: ObjectKey }))
export const withProbe = decodeRows(ProbedItem)
export const withStatus = decodeRows(Schema.Struct({ id: MediaItemId, status: MediaStatus }))

/** Fails unless the statement, which names the version it is meant for, changed the item. */
export const changing = (itemId: MediaItemId, statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
  Effect.flatMap(withId(statement), (rows) =>
    rows.length === 0 ? Effect.fail(new ItemSuperseded({ itemId })) : Effect.void
  )

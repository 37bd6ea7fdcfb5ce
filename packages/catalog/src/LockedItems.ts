import { type AuditNote, AuditNotes } from "@joy/domain/AuditNotes"
import { type Principal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import { Events } from "@joy/domain/Events"
import { MediaItemId, UserId } from "@joy/domain/Ids"
import { Visibility } from "@joy/domain/MediaItem"
import { Forbidden } from "@joy/domain/Problem"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError, type SqlError } from "effect/sql/SqlError"
import type * as Statement from "effect/sql/Statement"

import { decodeRows } from "./ItemRows.ts"
import { trashOf, visibleTo } from "./VisibleItems.ts"

/** An item that nobody else changes before the transaction ends. */
export const LockedItem = Schema.Struct({
  id: MediaItemId,
  ownerId: Schema.NullOr(UserId),
  visibility: Visibility,
  title: Schema.String,
  description: Schema.NullOr(Schema.String),
  tags: Schema.Array(Schema.String),
  version: Schema.Finite
})
export type LockedItem = typeof LockedItem.Type

/** Items are changed by their owner, signed in, and by who has media:write. An API key is not its owner. */
export const mayChange = (principal: Principal, item: Pick<LockedItem, "ownerId">): boolean =>
  principal.permissions.has("media:write") ||
  (item.ownerId === principal.userId && principal.credential.kind === "session")

export const notYours = new Forbidden({
  detail: "This is for the owner of the item, signed in, or needs the permission media:write"
})

/** Ingest changes many items at once in an order of its own: of two that wait for each other, one begins again. */
const isDeadlock = (error: unknown) => isSqlError(error) && error.reason._tag === "DeadlockError"

/** The statements of `MediaChanges`. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const events = yield* Events
  const notes = yield* AuditNotes
  const decode = decodeRows(LockedItem)

  const transaction = <A, E, R>(effect: Effect.Effect<A, E | SqlError, R>) =>
    sql
      .withTransaction(effect)
      .pipe(Effect.retry({ times: 5, while: isDeadlock }), Effect.catchIf(isSqlError, Effect.die))

  /** Those that the principal may see, or has in the trash. */
  const lock = (principal: Principal, ids: ReadonlyArray<MediaItemId>, place: "library" | "trash") =>
    decode(sql`
      SELECT id, user_id AS owner_id, visibility, title, description, tags, version FROM media_items
      WHERE id = ANY(${ids}::uuid[]) AND ${
        place === "trash" ? trashOf(sql, principal) : sql`deleted_at IS NULL AND ${visibleTo(sql, principal)}`
      } ORDER BY id FOR UPDATE`)

  /** Changes items, tells of it, and writes down what was done to those of others. */
  const write = Effect.fnUntraced(function* (
    principal: Principal,
    items: ReadonlyArray<LockedItem>,
    set: Statement.Fragment,
    note: Pick<AuditNote, "action" | "detail" | "facts">
  ) {
    if (items.length === 0) return
    const ids = items.map(({ id }) => id)
    yield* sql`
      UPDATE media_items SET ${set}, version = version + 1, updated_at = now() WHERE id = ANY(${ids}::uuid[])`
    yield* events.appendAll(ids.map((mediaId) => ({ name: "media.updated", mediaId })))
    const byOwner = Map.groupBy(items, ({ ownerId }) => ownerId)
    for (const [subjectId, theirs] of byOwner) {
      if (subjectId === principal.userId) continue
      yield* notes.append({
        ...note,
        actorId: principal.userId,
        subjectId,
        sessionId: sessionIdOf(principal),
        detail: { ...note.detail, items: theirs.map(({ id }) => id) }
      })
    }
  })

  return { sql, transaction, lock, write }
})

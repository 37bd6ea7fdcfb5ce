import { MediaItemId } from "@joy/domain/Ids"
import { ETag, ObjectKey } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { descriptions } from "./DerivativeKind.ts"
import { Outbox } from "./Outbox.ts"
import { rows } from "./Rows.ts"

/** Nothing of that kind is made. */
export class UnknownKind extends Schema.TaggedError<UnknownKind>()("UnknownKind", { kind: Schema.String }) {
  override get message() {
    const known = descriptions.map(({ name }) => JSON.stringify(name)).join(" or ")
    return `There is no kind ${JSON.stringify(this.kind)}: expected ${known}`
  }
}

/** One kind of derivative made anew for all. */
export const Rebuild = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  /** Objects that were ready when it began. */
  total: Schema.Finite,
  /** Those that are dealt with, failures included. */
  done: Schema.Finite,
  failed: Schema.Finite,
  isFinished: Schema.Boolean
})
export type Rebuild = typeof Rebuild.Type

const RebuildRow = Schema.Struct({
  objectId: Schema.String,
  itemId: MediaItemId,
  key: ObjectKey,
  etag: ETag,
  sizeBytes: Schema.Finite
})

/** So much work of a rebuild is in the outbox at most. */
const mostWaiting = 1000
const batch = 500

/**
 * Makes one kind of derivative anew for all objects. Its work comes into the outbox piece by piece, with the checkpoint in
 * the same transaction, and behind everything else there: it can stop at any time and goes on.
 */
export class Rebuilds extends Context.Service<
  Rebuilds,
  {
    /** Begins one, or joins the one of that kind that is under way. */
    readonly start: (kind: string) => Effect.Effect<Rebuild, UnknownKind>
    readonly byId: (id: string) => Effect.Effect<Rebuild | null>
    /** Those under way. */
    readonly running: Effect.Effect<ReadonlyArray<Rebuild>>
    /** Adds work of rebuilds where there is room, and ends those that are done. To be called often, by one process. */
    readonly advance: Effect.Effect<void>
  }
>()("@joy/ingest/Rebuilds") {
  static readonly layerNoDeps = Layer.effect(
    Rebuilds,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const outbox = yield* Outbox
      const waiting = sql`(SELECT count(*)::integer FROM ingest_outbox WHERE rebuild_id = rebuild.id)`
      const columns = sql`rebuild.id, rebuild.kind, rebuild.total, rebuild.added - ${waiting} AS done, rebuild.failed,
        rebuild.finished_at IS NOT NULL AS is_finished`
      const ready = (kind: string) => sql`
        FROM processed_s3_objects AS object JOIN media_items AS item ON item.id = object.item_id
        WHERE item.status = 'ready' AND item.deleted_at IS NULL AND item.etag = object.etag
          AND object.missing_at IS NULL
          AND item.type = ANY(${descriptions.find(({ name }) => name === kind)?.types ?? []}::text[])`

      const byId = Effect.fn("Rebuilds.byId")(function* (id: string) {
        const [rebuild] = yield* rows(Rebuild)(sql`
          SELECT ${columns} FROM ingest_rebuilds AS rebuild WHERE rebuild.id = ${id}::uuid`)
        return rebuild ?? null
      })

      const start = Effect.fn("Rebuilds.start")(function* (kind: string) {
        if (!descriptions.some(({ name }) => name === kind)) return yield* new UnknownKind({ kind })
        const [begun] = yield* rows(Schema.Struct({ id: Schema.String }))(sql`
          INSERT INTO ingest_rebuilds (id, kind, total)
          VALUES (${SecureRandom.uuidV7Unsafe()}, ${kind}, (SELECT count(*) ${ready(kind)}))
          ON CONFLICT (kind) WHERE finished_at IS NULL DO UPDATE SET kind = excluded.kind
          RETURNING id`)
        const rebuild = begun === undefined ? null : yield* byId(begun.id)
        return rebuild ?? (yield* Effect.die(new Error("A rebuild was neither begun nor joined")))
      })

      const running = rows(Rebuild)(sql`
        SELECT ${columns} FROM ingest_rebuilds AS rebuild WHERE finished_at IS NULL ORDER BY started_at`)

      const feed = Effect.fnUntraced(
        function* (id: string) {
          const [rebuild] = yield* rows(Schema.Struct({ kind: Schema.String, waiting: Schema.Finite }))(sql`
            SELECT rebuild.kind, ${waiting} AS waiting FROM ingest_rebuilds AS rebuild
            WHERE rebuild.id = ${id}::uuid AND finished_at IS NULL FOR UPDATE`)
          if (rebuild === undefined || rebuild.waiting > mostWaiting - batch) return false
          const objects = yield* rows(RebuildRow)(sql`
            SELECT object.id AS object_id, object.item_id, object.s3_key AS key, object.etag,
              object.size_bytes::float8 AS size_bytes
            ${ready(rebuild.kind)} AND (SELECT (checkpoint IS NULL OR object.id > checkpoint) AND object.created_at <= started_at
              FROM ingest_rebuilds WHERE id = ${id}::uuid)
            ORDER BY object.id LIMIT ${batch}::integer`)
          const last = objects.at(-1)
          if (last === undefined) {
            if (rebuild.waiting === 0) yield* sql`UPDATE ingest_rebuilds SET finished_at = now() WHERE id = ${id}::uuid`
            return false
          }
          yield* outbox.addDerivatives(objects, { kind: rebuild.kind, rebuildId: id })
          yield* sql`
            UPDATE ingest_rebuilds SET checkpoint = ${last.objectId}::uuid, added = added + ${objects.length}::integer
            WHERE id = ${id}::uuid`
          return true
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const advance = Effect.flatMap(running, (rebuilds) =>
        Effect.forEach(rebuilds, ({ id }) => Effect.repeat(feed(id), { while: (fed) => fed }), { discard: true })
      ).pipe(Effect.withSpan("Rebuilds.advance"))

      return Rebuilds.of({ start, byId, running, advance })
    })
  )

  static readonly layer = Rebuilds.layerNoDeps.pipe(Layer.provide(Outbox.layer))
}

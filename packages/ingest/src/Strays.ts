import { MediaItemId } from "@joy/domain/Ids"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox } from "./Outbox.ts"
import { rows } from "./Rows.ts"

const batch = 1000

/**
 * Items that nobody works on although they are not done: their run ended because the object was away for a moment, and
 * the next scan found it as it was. A minute between two runs keeps an object that is never what it is listed as (an
 * ETag that changes from answer to answer) from being all that happens.
 */
export class Strays extends Context.Service<
  Strays,
  {
    /** Gives such items another run. To be called after the last page of a scan. */
    readonly bringBack: Effect.Effect<void>
  }
>()("@joy/ingest/Strays") {
  static readonly layer = Layer.effect(
    Strays,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const ledger = yield* ObjectLedger
      const outbox = yield* Outbox

      const bringBack = Effect.gen(function* () {
        const strays = yield* rows(Schema.Struct({ id: MediaItemId }))(sql`
          SELECT item.id FROM media_items AS item
          JOIN processed_s3_objects AS object ON object.item_id = item.id AND object.missing_at IS NULL
          WHERE item.status IN ('pending', 'processing') AND item.updated_at < now() - interval '1 minute'
            AND NOT EXISTS (SELECT 1 FROM ingest_outbox WHERE ingest_outbox.item_id = item.id)
          ORDER BY item.updated_at LIMIT ${batch}::integer`)
        if (strays.length > 0) yield* outbox.add(yield* ledger.again(strays.map(({ id }) => id)))
      }).pipe(sql.withTransaction, Effect.catchIf(isSqlError, Effect.die), Effect.withSpan("Strays.bringBack"))

      return Strays.of({ bringBack })
    })
  )
}

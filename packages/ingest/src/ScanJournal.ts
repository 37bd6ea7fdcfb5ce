import { Events } from "@joy/domain/Events"
import { ScanId } from "@joy/domain/Ids"
import { Scan } from "@joy/domain/Scan"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { rows } from "./Rows.ts"

/** A scan that runs, or one that a process left behind: it goes on after `checkpoint`. */
export const RunningScan = Schema.Struct({
  id: ScanId,
  acceptMissing: Schema.Boolean,
  /** The last key that was dealt with; empty at the beginning. */
  checkpoint: Schema.String,
  /** How many objects were known and there when it began. */
  knownAtStart: Schema.Finite
})
export type RunningScan = typeof RunningScan.Type

/** What one page added. */
export interface ScanCounts {
  readonly listed: number
  readonly new: number
  readonly changed: number
  readonly moved: number
  readonly failed: number
}

/** The table of scans: at most one runs, whichever process started it. */
export class ScanJournal extends Context.Service<
  ScanJournal,
  {
    /** Starts a scan, or joins the one that runs: it takes over `acceptMissing`, and another one follows it. */
    readonly begin: (options: {
      readonly acceptMissing: boolean
      /** Whether somebody asked; the daemon's own scans make no event unless they found something. */
      readonly requested: boolean
    }) => Effect.Effect<ScanId>
    /** The scan that runs. */
    readonly running: Effect.Effect<RunningScan | null>
    /** To be called before the first page: counts what is known, and the scan's time starts now. */
    readonly opened: (id: ScanId) => Effect.Effect<RunningScan>
    /**
     * Belongs in the transaction that dealt with the page. Dies where another process went on with the scan meanwhile,
     * which undoes the page.
     */
    readonly progress: (
      id: ScanId,
      page: { readonly from: string; readonly to: string },
      counts: ScanCounts
    ) => Effect.Effect<void>
    /** Ends a scan. Says whether somebody asked for another one meanwhile. */
    readonly end: (
      id: ScanId,
      outcome: {
        readonly status: "finished" | "failed" | "waiting"
        readonly missing: number
        readonly message: string | null
      }
    ) => Effect.Effect<{ readonly rescan: boolean }>
    readonly byId: (id: ScanId) => Effect.Effect<Scan | null>
  }
>()("@joy/ingest/ScanJournal") {
  static readonly layer: Layer.Layer<ScanJournal, never, SqlClient.SqlClient | Events> = Layer.effect(
    ScanJournal,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const runningColumns = sql`id, accept_missing, checkpoint, known_at_start`

      const begin = Effect.fn("ScanJournal.begin")(function* (options: {
        readonly acceptMissing: boolean
        readonly requested: boolean
      }) {
        const insert = rows(Schema.Struct({ id: ScanId }))(sql`
          INSERT INTO scans (id, status, accept_missing, requested)
          VALUES (${SecureRandom.uuidV7Unsafe()}, 'running', ${options.acceptMissing}, ${options.requested})
          ON CONFLICT ((true)) WHERE status = 'running' DO UPDATE SET
            accept_missing = scans.accept_missing OR excluded.accept_missing,
            requested = scans.requested OR excluded.requested,
            rescan = scans.rescan OR excluded.requested
          RETURNING id`)
        const [scan] = yield* insert
        return scan === undefined ? yield* Effect.die(new Error("A scan was neither started nor joined")) : scan.id
      })

      const running = rows(RunningScan)(sql`SELECT ${runningColumns} FROM scans WHERE status = 'running'`).pipe(
        Effect.map(([scan]) => scan ?? null),
        Effect.withSpan("ScanJournal.running")
      )

      const opened = Effect.fn("ScanJournal.opened")(function* (id: ScanId) {
        const [scan] = yield* rows(RunningScan)(sql`
          UPDATE scans SET started_at = now(), updated_at = now(), rescan = false, known_at_start =
            (SELECT count(*) FROM processed_s3_objects WHERE missing_at IS NULL AND NOT unusable)
          WHERE id = ${id} RETURNING ${runningColumns}`)
        return scan === undefined ? yield* Effect.die(new Error("The scan is gone")) : scan
      })

      const progress = Effect.fn("ScanJournal.progress")(function* (
        id: ScanId,
        page: { readonly from: string; readonly to: string },
        counts: ScanCounts
      ) {
        const [scan] = yield* rows(Schema.Struct({ id: ScanId }))(sql`
          UPDATE scans SET checkpoint = ${page.to}, listed = listed + ${counts.listed}::integer,
            new = new + ${counts.new}::integer, changed = changed + ${counts.changed}::integer,
            moved = moved + ${counts.moved}::integer, failed = failed + ${counts.failed}::integer, updated_at = now()
          WHERE id = ${id} AND status = 'running' AND checkpoint = ${page.from} RETURNING id`)
        if (scan === undefined) return yield* Effect.die(new Error("Another process goes on with the scan"))
      })

      const end = Effect.fn("ScanJournal.end")(
        function* (
          id: ScanId,
          outcome: {
            readonly status: "finished" | "failed" | "waiting"
            readonly missing: number
            readonly message: string | null
          }
        ) {
          const [ended] = yield* rows(Schema.Struct({ rescan: Schema.Boolean, telling: Schema.Boolean }))(sql`
            UPDATE scans SET status = ${outcome.status}, missing = missing + ${outcome.missing}::integer,
              message = ${outcome.message}::text, updated_at = now(), finished_at = now()
            WHERE id = ${id} AND status = 'running'
            RETURNING rescan, requested OR new + changed + moved + missing > 0 AS telling`)
          if (ended?.telling === true) yield* events.append({ name: "scan.finished", scanId: id })
          yield* Effect.orDie(sql`DELETE FROM scan_absences WHERE scan_id = ${id}`)
          return { rescan: ended?.rescan === true }
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const byId = Effect.fn("ScanJournal.byId")(function* (id: ScanId) {
        const [scan] = yield* rows(Scan)(sql`
          SELECT id, status, listed, new, changed, moved, missing, failed, message, started_at, finished_at,
            CASE WHEN listed > 0 AND took.seconds > 0 THEN listed / took.seconds END AS objects_per_second,
            CASE WHEN status = 'running' AND listed > 0 THEN
              greatest(now(), started_at + make_interval(secs => took.seconds * known_at_start / listed))
            END AS expected_end_at
          FROM scans, LATERAL (
            SELECT extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8 AS seconds
          ) AS took
          WHERE id = ${id}`)
        return scan ?? null
      })

      return ScanJournal.of({ begin, running, opened, progress, end, byId })
    })
  )
}

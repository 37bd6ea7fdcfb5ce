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

/** A scan that runs, or one that a process left behind. */
export const RunningScan = Schema.Struct({
  id: ScanId,
  acceptMissing: Schema.Boolean,
  /** How many objects were known and there when it began. */
  knownAtStart: Schema.Finite
})
export type RunningScan = typeof RunningScan.Type

/** A part of the key space, listed on its own: what follows the checkpoint, up to and including `upTo` (`null`: all). */
export const ScanRange = Schema.Struct({
  position: Schema.Finite,
  checkpoint: Schema.String,
  upTo: Schema.NullOr(Schema.String)
})
export type ScanRange = typeof ScanRange.Type

/** What one page added. */
export interface PageCounts {
  readonly listed: number
  readonly new: number
  readonly changed: number
  readonly failed: number
}

/** Pages that a range has at least: fewer are listed as fast one after the other. */
const worthRange = 4

/** Somebody else is at work on the range: what this process found out about it is worth nothing. */
const overtaken = Effect.die(new Error("Another process goes on with this scan"))

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
    /** What is left to be listed. At a scan's beginning: counts what is known, and parts it into that many ranges at most. */
    readonly open: (
      id: ScanId,
      options: { readonly ranges: number; readonly pageSize: number }
    ) => Effect.Effect<{ readonly scan: RunningScan; readonly ranges: ReadonlyArray<ScanRange> }>
    /**
     * The page that ends at `to` (`null`: the last one of the range) is dealt with. Belongs in the transaction that did
     * so, which is undone if the range is not where it was when the page was asked for.
     */
    readonly passed: (id: ScanId, range: ScanRange, to: string | null, counts: PageCounts) => Effect.Effect<void>
    /** What was found when all pages were there. */
    readonly found: (
      id: ScanId,
      counts: { readonly new: number; readonly changed: number; readonly moved: number }
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
    /** Starts a look at some keys; one that a process left behind is forgotten. */
    readonly beginLook: Effect.Effect<ScanId>
    /** Nothing is kept of a look but what it found. */
    readonly endLook: (id: ScanId) => Effect.Effect<void>
  }
>()("@joy/ingest/ScanJournal") {
  static readonly layer: Layer.Layer<ScanJournal, never, SqlClient.SqlClient | Events> = Layer.effect(
    ScanJournal,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const runningColumns = sql`id, accept_missing, known_at_start`

      const begin = Effect.fn("ScanJournal.begin")(function* (options: {
        readonly acceptMissing: boolean
        readonly requested: boolean
      }) {
        const insert = rows(Schema.Struct({ id: ScanId }))(sql`
          INSERT INTO scans (id, status, accept_missing, requested)
          VALUES (${SecureRandom.uuidV7Unsafe()}, 'running', ${options.acceptMissing}, ${options.requested})
          ON CONFLICT ((true)) WHERE status = 'running' AND NOT partial DO UPDATE SET
            accept_missing = scans.accept_missing OR excluded.accept_missing,
            requested = scans.requested OR excluded.requested,
            rescan = scans.rescan OR excluded.requested
          RETURNING id`)
        const [scan] = yield* insert
        return scan === undefined ? yield* Effect.die(new Error("A scan was neither started nor joined")) : scan.id
      })

      const running = rows(RunningScan)(
        sql`SELECT ${runningColumns} FROM scans WHERE status = 'running' AND NOT partial`
      ).pipe(
        Effect.map(([scan]) => scan ?? null),
        Effect.withSpan("ScanJournal.running")
      )

      const left = (id: ScanId) =>
        rows(ScanRange)(sql`
          SELECT position, checkpoint, up_to FROM scan_ranges WHERE scan_id = ${id} AND NOT done ORDER BY position`)

      /** Keys that part what is known into ranges of one size, each of some pages at least. */
      const borders = Effect.fnUntraced(function* (known: number, ranges: number, pageSize: number) {
        const count = Math.max(1, Math.min(ranges, Math.floor(known / (pageSize * worthRange))))
        const size = Math.ceil(known / count)
        if (count === 1) return []
        const found = yield* rows(Schema.Struct({ key: Schema.String }))(sql`
          SELECT key FROM (
            SELECT s3_key AS key, row_number() OVER (ORDER BY s3_key) AS place FROM processed_s3_objects
          ) AS placed WHERE place % ${size}::integer = 0 ORDER BY key LIMIT ${count - 1}::integer`)
        return found.map(({ key }) => key)
      })

      const open = Effect.fn("ScanJournal.open")(
        function* (id: ScanId, options: { readonly ranges: number; readonly pageSize: number }) {
          const [begun] = yield* rows(Schema.Struct({ ...RunningScan.fields, begun: Schema.Boolean }))(sql`
            SELECT ${runningColumns}, EXISTS (SELECT FROM scan_ranges WHERE scan_id = id) AS begun
            FROM scans WHERE id = ${id}`)
          if (begun?.begun === true) return { scan: begun, ranges: yield* left(id) }
          const [scan] = yield* rows(RunningScan)(sql`
            UPDATE scans SET started_at = now(), updated_at = now(), rescan = false, known_at_start =
              (SELECT count(*) FROM processed_s3_objects WHERE missing_at IS NULL AND NOT unusable)
            WHERE id = ${id} AND status = 'running' RETURNING ${runningColumns}`)
          if (scan === undefined) return yield* overtaken
          const ends = yield* borders(scan.knownAtStart, options.ranges, options.pageSize)
          yield* sql`
            INSERT INTO scan_ranges (scan_id, position, checkpoint, up_to)
            SELECT ${id}::uuid, place, start, nullif(finish, '') FROM unnest(
              ${["", ...ends]}::text[], ${[...ends, ""]}::text[]
            ) WITH ORDINALITY AS range (start, finish, place)`
          return { scan, ranges: yield* left(id) }
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const passed = Effect.fn("ScanJournal.passed")(function* (
        id: ScanId,
        range: ScanRange,
        to: string | null,
        counts: PageCounts
      ) {
        // The commit does not wait for the disk: a page that a power failure takes back is listed again.
        const moved = yield* Effect.orDie(sql`
          UPDATE scan_ranges SET checkpoint = ${to ?? range.upTo ?? range.checkpoint}, done = ${to === null},
            pages = pages + 1, listed = listed + ${counts.listed}::integer, new = new + ${counts.new}::integer,
            changed = changed + ${counts.changed}::integer, failed = failed + ${counts.failed}::integer
          WHERE scan_id = ${id} AND position = ${range.position} AND checkpoint = ${range.checkpoint} AND NOT done
            AND set_config('synchronous_commit', 'off', true) = 'off'
          RETURNING position`)
        if (moved.length === 0) return yield* overtaken
      })

      const found = Effect.fn("ScanJournal.found")(function* (
        id: ScanId,
        counts: { readonly new: number; readonly changed: number; readonly moved: number }
      ) {
        yield* Effect.orDie(sql`
          UPDATE scans SET new = new + ${counts.new}::integer, changed = changed + ${counts.changed}::integer,
            moved = moved + ${counts.moved}::integer, updated_at = now()
          WHERE id = ${id}`)
      })

      /** With what its ranges have counted; once it has ended the counters are the scan's own. */
      const counters = sql`
        coalesce(sum(range.listed), 0)::integer AS listed, coalesce(sum(range.new), 0)::integer AS new,
        coalesce(sum(range.changed), 0)::integer AS changed, coalesce(sum(range.failed), 0)::integer AS failed
        FROM scan_ranges AS range`

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
              message = ${outcome.message}::text, updated_at = now(), finished_at = now(),
              listed = scans.listed + ranges.listed, new = scans.new + ranges.new,
              changed = scans.changed + ranges.changed, failed = scans.failed + ranges.failed
            FROM (SELECT ${counters} WHERE range.scan_id = ${id}) AS ranges
            WHERE id = ${id} AND status = 'running'
            RETURNING rescan, requested OR scans.new + scans.changed + moved + missing > 0 AS telling`)
          if (ended?.telling === true) yield* events.append({ name: "scan.finished", scanId: id })
          yield* sql`DELETE FROM scan_ranges WHERE scan_id = ${id}`
          yield* sql`DELETE FROM scan_arrivals WHERE scan_id = ${id}`
          yield* sql`DELETE FROM scan_absences WHERE scan_id = ${id}`
          return { rescan: ended?.rescan === true }
        },
        sql.withTransaction,
        Effect.catchIf(isSqlError, Effect.die)
      )

      const byId = Effect.fn("ScanJournal.byId")(function* (id: ScanId) {
        const [scan] = yield* rows(Scan)(sql`
          SELECT id, status, seen.listed, scans.new + ranges.new AS new, scans.changed + ranges.changed AS changed, moved,
            missing, scans.failed + ranges.failed AS failed, message, started_at, finished_at,
            CASE WHEN seen.listed > 0 AND seen.seconds > 0 THEN seen.listed / seen.seconds END AS objects_per_second,
            CASE WHEN status = 'running' AND seen.listed BETWEEN 1 AND known_at_start THEN
              greatest(now(), started_at + make_interval(secs => seen.seconds * known_at_start / seen.listed))
            END AS expected_end_at
          FROM scans, LATERAL (SELECT ${counters} WHERE range.scan_id = scans.id) AS ranges, LATERAL (
            SELECT scans.listed + ranges.listed AS listed,
              extract(epoch FROM coalesce(finished_at, clock_timestamp()) - started_at)::float8 AS seconds
          ) AS seen
          WHERE id = ${id}`)
        return scan ?? null
      })

      const beginLook = Effect.gen(function* () {
        const id = ScanId.make(SecureRandom.uuidV7Unsafe())
        yield* sql`DELETE FROM scans WHERE partial`
        yield* sql`INSERT INTO scans (id, status, partial) VALUES (${id}, 'running', true)`
        return id
      }).pipe(Effect.orDie, Effect.withSpan("ScanJournal.beginLook"))

      const endLook = Effect.fn("ScanJournal.endLook")(function* (id: ScanId) {
        yield* Effect.orDie(sql`DELETE FROM scans WHERE id = ${id}`)
      })

      return ScanJournal.of({ begin, running, open, passed, found, end, byId, beginLook, endLook })
    })
  )
}

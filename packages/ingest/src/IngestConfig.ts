import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"

/** How ingest behaves. The server fills it from the environment. */
export interface IngestOptions {
  /** Between the end of a scan and the start of the next one (`INGEST_INTERVAL`). */
  readonly interval: Duration.Duration
  /** How many objects this process works on at once (`INGEST_CONCURRENCY`). */
  readonly concurrency: number
  /** Globs of keys to leave out (`INGEST_IGNORE`), see `MediaKinds`. */
  readonly ignore: ReadonlyArray<string>
  /**
   * An object that was written to less than this ago may still be being written: it is looked at twice (see `Settling`).
   * Zero where objects appear whole, as they do on S3.
   */
  readonly settle: Duration.Duration
  /** Between the two looks. */
  readonly settleLook: Duration.Duration
  /** How often an object is tried whose store does not answer. */
  readonly networkAttempts: number
  /** How often one is tried that fails in a way that nobody foresaw. */
  readonly unforeseenAttempts: number
  /** Before the second attempt; doubles with each further one, and is spread by a quarter either way. */
  readonly retryDelay: Duration.Duration
  /** How long work rests when a disk is full, before it is tried whether it still is. */
  readonly fullDiskRest: Duration.Duration
  /** Entries to ask the store for at once, 1 to 1,000. */
  readonly pageSize: number
  /** Into how many ranges of keys a large library is divided, to be listed at the same time. */
  readonly ranges: number
  /** How long a new scan or new work may go unnoticed when the bell that tells of it was not heard. */
  readonly poll: Duration.Duration
  /** How long work that was handed out may be without a result before it is looked after. */
  readonly overdue: Duration.Duration
  /** How long work may stand still in a runner that should have begun it, before the runner counts as stalled. */
  readonly stall: Duration.Duration
  /** How many days things stay in the trash (`TRASH_DAYS`). */
  readonly trashDays: number
  /** Works beside others on the same database. Otherwise there may be no other at all. */
  readonly shared: boolean
  /** The host by which other processes reach this one (`RUNNER_HOST`). */
  readonly runnerHost: string
  /** How soon the work of a process that died is taken over, at the latest (`TAKEOVER_TIMEOUT`). */
  readonly takeover: Duration.Duration
  /** How long a process that stops may finish the steps that it is at (`SHUTDOWN_TIMEOUT`). */
  readonly drain: Duration.Duration
}

export class IngestConfig extends Context.Service<IngestConfig, IngestOptions>()("@joy/ingest/IngestConfig") {
  /** What is left out keeps its default: one that suits a folder on a machine of two cores. */
  static readonly layer = (options: Partial<IngestOptions> = {}): Layer.Layer<IngestConfig> =>
    Layer.succeed(IngestConfig, {
      interval: Duration.minutes(1),
      concurrency: 2,
      ignore: [],
      settle: Duration.seconds(2),
      settleLook: Duration.millis(400),
      networkAttempts: 12,
      unforeseenAttempts: 5,
      retryDelay: Duration.seconds(1),
      fullDiskRest: Duration.seconds(30),
      pageSize: 1000,
      ranges: 4,
      poll: Duration.millis(500),
      overdue: Duration.seconds(10),
      stall: Duration.seconds(10),
      trashDays: 30,
      shared: false,
      runnerHost: "localhost",
      takeover: Duration.seconds(15),
      drain: Duration.seconds(15),
      ...options
    })
}

import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"

/** How ingest behaves. The server fills it from the environment. */
export interface IngestOptions {
  /** Between the end of a scan and the start of the next one (`INGEST_INTERVAL`). */
  readonly interval: Duration.Duration
  /** How many objects are worked on at once (`INGEST_CONCURRENCY`). */
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
  /** How often an object is tried whose failure may pass: a store that does not answer. */
  readonly maxAttempts: number
  /** Before the second attempt; doubles with each further one, and is spread by a quarter either way. */
  readonly retryDelay: Duration.Duration
  /** Entries to ask the store for at once, 1 to 1,000. */
  readonly pageSize: number
  /** How long a new scan or new work that another process wrote down may go unnoticed. */
  readonly poll: Duration.Duration
  /**
   * Waits while another ingest works on the database, and takes over when that ends. Otherwise there may be no other at
   * all, not even one that stands by.
   */
  readonly standsBy: boolean
  /** How long to wait for an ingest that was just killed to be gone (`TAKEOVER_TIMEOUT`). */
  readonly takeover: Duration.Duration
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
      maxAttempts: 5,
      retryDelay: Duration.seconds(1),
      pageSize: 1000,
      poll: Duration.millis(500),
      standsBy: false,
      takeover: Duration.seconds(5),
      ...options
    })
}

import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { ScanId } from "./Ids.ts"
import { Timestamp } from "./Timestamp.ts"

/**
 * `waiting`: it found more than half of the library gone, marked nothing as missing, and waits for somebody to scan
 * again with `acceptMissing`.
 */
export const ScanStatus = Schema.Literals(["running", "finished", "failed", "waiting"]).annotate({
  identifier: "ScanStatus"
})
export type ScanStatus = typeof ScanStatus.Type

/** One pass over the store. */
export const Scan = Schema.Struct({
  id: ScanId,
  status: ScanStatus,
  /** Objects seen. */
  listed: Schema.Finite,
  new: Schema.Finite,
  changed: Schema.Finite,
  moved: Schema.Finite,
  missing: Schema.Finite,
  /** Entries that can't be used, such as a name that is no UTF-8. */
  failed: Schema.Finite,
  objectsPerSecond: Schema.NullOr(Schema.Finite),
  expectedEndAt: Schema.NullOr(Timestamp),
  /** Why it failed or waits. */
  message: Schema.NullOr(Schema.String),
  startedAt: Timestamp,
  finishedAt: Schema.NullOr(Timestamp)
}).annotate({ identifier: "Scan" })
export type Scan = typeof Scan.Type

export class ScanNotFound extends HttpApiError.Problem<ScanNotFound>()("ScanNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such scan"
}) {}

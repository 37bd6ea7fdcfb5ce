import type * as SqlClient from "effect/sql/SqlClient"
import type { Fragment } from "effect/sql/Statement"

/**
 * When somebody has begun with an item, and when they have seen it all. Both are told by what is left over of a film: a
 * few seconds of its opening, or its last credits, are nothing to come back to.
 */

/** Of a short item, a twentieth of it. */
const part = 0.05
const openingSeconds = 5
const closingSeconds = 30

const edge = (seconds: number, durationSeconds: number | null) =>
  durationSeconds === null ? seconds : Math.min(seconds, durationSeconds * part)

/** Whether nothing is left to see. */
export const isAtEnd = (positionSeconds: number, durationSeconds: number | null): boolean =>
  durationSeconds !== null && positionSeconds >= durationSeconds - edge(closingSeconds, durationSeconds)

/** Where to go on; `null` for at the beginning. */
export const resumeAt = (positionSeconds: number, durationSeconds: number | null): number | null =>
  positionSeconds < edge(openingSeconds, durationSeconds) || isAtEnd(positionSeconds, durationSeconds)
    ? null
    : positionSeconds

/** That there is something to go on from, of `position_seconds` and `duration_seconds`. */
export const isBegun = (sql: SqlClient.SqlClient): Fragment => sql`
  position_seconds >= least(${openingSeconds}::float8, coalesce(duration_seconds * ${part}::float8, ${openingSeconds}::float8))`

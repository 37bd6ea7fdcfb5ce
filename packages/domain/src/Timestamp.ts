import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * A point in time as ISO 8601 text in UTC, such as `2026-11-22T16:31:00.123456Z`. It stays text from the database to
 * the wire: nothing is lost to the milliseconds of a JavaScript date, so keyset cursors made of it are exact, and hot
 * answers spend no time on dates. Texts of one precision sort as the times do.
 */
export const Timestamp = Schema.String.pipe(
  Schema.brand("Timestamp"),
  Schema.annotate({ identifier: "Timestamp", description: "ISO 8601 in UTC", format: "date-time" })
)
export type Timestamp = typeof Timestamp.Type

/** The moment of the Effect clock, to the millisecond. */
export const now: Effect.Effect<Timestamp> = Effect.map(DateTime.now, (instant) =>
  Timestamp.make(DateTime.formatIso(instant))
)

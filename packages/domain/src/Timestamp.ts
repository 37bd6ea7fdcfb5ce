import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"

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

const isInstant = (text: string) => {
  const instant = DateTime.make(text)
  return Option.isSome(instant) && DateTime.toEpochMillis(instant.value) >= 0
}

/** A point in time that a client gives: RFC 3339, of this era's four-digit years, so that every database takes it. */
export const Instant = Schema.String.check(
  Schema.isPattern(/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:\d\d)$/, {
    message: "Expected a time such as 2026-11-22T16:31:00Z"
  }),
  Schema.makeFilter(isInstant, { expected: "a time that there is" })
).pipe(
  Schema.decodeTo(Timestamp, {
    // What the calendar does not have, such as 30 February, is the day that it runs over to.
    decode: SchemaGetter.transform((text) => Timestamp.make(DateTime.formatIso(DateTime.makeUnsafe(text)))),
    encode: SchemaGetter.transform((text) => text)
  }),
  Schema.annotate({ identifier: "Instant", format: "date-time" })
)

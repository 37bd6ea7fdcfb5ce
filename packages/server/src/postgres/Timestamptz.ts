import * as PgTypes from "@effect/sql-pg/PgTypes"
import * as Result from "effect/Result"

/**
 * `timestamptz` as the text the API speaks: ISO 8601 in UTC with all six digits of Postgres' microseconds, such as
 * `2026-11-22T16:31:00.123456Z`. The driver's own codec makes a `Date`, which costs an object per value, is formatted
 * again for every answer, and loses the microseconds a keyset cursor needs. Years outside 0000 to 9999 are written as
 * ECMAScript writes them (`+010000-…`, `-000001-…`), the two infinities as `infinity` and `-infinity`.
 */

/** Microseconds between 1970-01-01 and 2000-01-01, where Postgres counts from. */
const epochMicros = 946_684_800_000_000n
const epochDays = 10_957
const dayMicros = 86_400_000_000
/** An int64 whose high half is within this is exact as a double (285 years either side of 2000). */
const exactHigh = 0x20_0000
const infinity = 0x7fff_ffff_ffff_ffffn
const minusInfinity = -0x8000_0000_0000_0000n

const two = Array.from({ length: 100 }, (_, value) => String(value).padStart(2, "0"))
const three = Array.from({ length: 1000 }, (_, value) => String(value).padStart(3, "0"))

const yearText = (year: number): string =>
  year >= 0 && year <= 9999
    ? String(year).padStart(4, "0")
    : (year < 0 ? "-" : "+") + String(Math.abs(year)).padStart(6, "0")

/** The civil date of a day counted from 1970-01-01 (Howard Hinnant, *chrono-Compatible Low-Level Date Algorithms*). */
const formatDay = (days: number): string => {
  const z = days + 719_468
  const era = Math.floor(z / 146_097)
  const dayOfEra = z - era * 146_097
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365
  )
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${yearText(year)}-${two[month]}-${two[day]}T`
}

// Rows that come together are of few different days.
const dayTexts = new Map<number, string>()
const maxDays = 1000

const dayText = (days: number): string => {
  const known = dayTexts.get(days)
  if (known !== undefined) return known
  if (dayTexts.size === maxDays) dayTexts.clear()
  const text = formatDay(days + epochDays)
  dayTexts.set(days, text)
  return text
}

const formatParts = (days: number, microsOfDay: number): string => {
  const seconds = Math.floor(microsOfDay / 1_000_000)
  const micros = microsOfDay - seconds * 1_000_000
  const millis = (micros / 1000) | 0
  return (
    dayText(days) +
    two[(seconds / 3600) | 0] +
    ":" +
    two[((seconds / 60) | 0) % 60] +
    ":" +
    two[seconds % 60] +
    "." +
    three[millis] +
    three[micros - millis * 1000] +
    "Z"
  )
}

/** Formats microseconds since 2000-01-01, whatever their size. */
export const formatMicros = (micros: bigint): string => {
  if (micros === infinity) return "infinity"
  if (micros === minusInfinity) return "-infinity"
  const day = BigInt(dayMicros)
  const rest = ((micros % day) + day) % day
  return formatParts(Number((micros - rest) / day), Number(rest))
}

const readInt32 = (bytes: Uint8Array, offset: number): number =>
  ((bytes[offset] ?? 0) << 24) |
  ((bytes[offset + 1] ?? 0) << 16) |
  ((bytes[offset + 2] ?? 0) << 8) |
  (bytes[offset + 3] ?? 0)

const read = (bytes: Uint8Array, offset: number, size: number): Result.Result<string, PgTypes.CodecError> => {
  if (size !== 8) {
    return Result.fail(
      new PgTypes.CodecError({ message: `Expected 8 byte(s) for timestamptz, received ${String(size)}` })
    )
  }
  const high = readInt32(bytes, offset)
  const low = readInt32(bytes, offset + 4) >>> 0
  if (high < -exactHigh || high >= exactHigh) {
    return Result.succeed(formatMicros((BigInt(high) << 32n) | BigInt(low)))
  }
  const micros = high * 4_294_967_296 + low
  const days = Math.floor(micros / dayMicros)
  return Result.succeed(formatParts(days, micros - days * dayMicros))
}

const iso = /^((?:[+-]\d{2})?\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,6}))?(Z|[+-]\d{2}:\d{2})$/

/** Microseconds since 2000-01-01 of an ISO 8601 instant; `undefined` when it is none. */
export const parseMicros = (text: string): bigint | undefined => {
  if (text === "infinity") return infinity
  if (text === "-infinity") return minusInfinity
  const match = iso.exec(text)
  if (match === null) return undefined
  const millis = Date.parse(`${match[1]}${match[3]}`)
  if (Number.isNaN(millis)) return undefined
  return BigInt(millis) * 1000n + BigInt((match[2] ?? "").padEnd(6, "0")) - epochMicros
}

/** What a parameter may be: our text, or what the driver's own codec takes (a `Date`, milliseconds since 1970). */
const toMicros = (value: string | Date | number): bigint | undefined => {
  if (typeof value === "string") return parseMicros(value)
  const millis = typeof value === "number" ? value : value.getTime()
  if (millis === Number.POSITIVE_INFINITY) return infinity
  if (millis === Number.NEGATIVE_INFINITY) return minusInfinity
  if (Number.isNaN(millis)) return undefined
  // Not `millis * 1000`: far from 1970 that is no exact double.
  const whole = Math.floor(millis)
  return BigInt(whole) * 1000n + BigInt(Math.round((millis - whole) * 1000)) - epochMicros
}

const encode = (value: string | Date | number): Result.Result<Uint8Array, PgTypes.CodecError> => {
  const micros = toMicros(value)
  if (micros === undefined || micros > infinity || micros < minusInfinity) {
    return Result.fail(new PgTypes.CodecError({ message: `Expected an ISO 8601 instant, received ${String(value)}` }))
  }
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigInt64(0, micros)
  return Result.succeed(bytes)
}

export const codec: PgTypes.Codec<string | Date | number> = {
  encode,
  decode: (bytes) => read(bytes, 0, bytes.length),
  read
}

/**
 * The driver's types with `timestamptz` (and so `timestamptz[]`, whose elements are looked up here) as text.
 * `timestamp` without a zone, which only the cluster's own tables use, stays a `Date`.
 */
export const registry: PgTypes.Registry = PgTypes.makeRegistry()
registry.register(PgTypes.OID.timestamptz, codec, { arrayOid: PgTypes.OID.timestamptzArray })

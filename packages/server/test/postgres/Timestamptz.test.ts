import * as PgTypes from "@effect/sql-pg/PgTypes"
import { assert, describe, it, layer } from "@effect/vitest"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as SqlClient from "effect/sql/SqlClient"
import * as fc from "fast-check"

import { codec, formatMicros, registry } from "../../src/postgres/Timestamptz.ts"

const epochMillis = Date.UTC(2000, 0, 1)
const text = (bytes: Uint8Array) => Result.getOrThrow(codec.decode(bytes))
const bytes = (value: string | Date | number) => Result.getOrThrow(codec.encode(value))

describe("Timestamptz", () => {
  it("writes every instant that a Date can hold as the Date does, with three more digits", () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true }), fc.integer({ min: 0, max: 999 }), (date, micros) => {
        const value = BigInt(date.getTime() - epochMillis) * 1000n + BigInt(micros)
        const expected = `${date.toISOString().slice(0, -1)}${String(micros).padStart(3, "0")}Z`
        assert.strictEqual(formatMicros(value), expected)
        const wire = new Uint8Array(8)
        new DataView(wire.buffer).setBigInt64(0, value)
        assert.strictEqual(text(wire), expected)
        assert.deepStrictEqual(bytes(expected), wire)
      }),
      { numRuns: 5000 }
    )
  })

  it("is exact around days, years and the borders of its fast path", () => {
    for (const year of [1600, 1713, 1714, 1715, 1900, 1969, 1970, 1999, 2000, 2024, 2100, 2284, 2285, 2286, 9999]) {
      for (const millis of [-1, 0, 1]) {
        for (const [month, day] of [
          [0, 1],
          [1, 28],
          [1, 29],
          [2, 1],
          [11, 31]
        ] as const) {
          const date = new Date(Date.UTC(year, month, day) + millis)
          const written = text(bytes(date))
          assert.strictEqual(written, `${date.toISOString().slice(0, -1)}000Z`)
          assert.strictEqual(text(bytes(written)), written)
        }
      }
    }
  })

  it("takes what the driver's own codec takes, bit for bit where that is exact", () => {
    fc.assert(
      fc.property(fc.date({ noInvalidDate: true, min: new Date(-8e12), max: new Date(8e12) }), (date) => {
        const theirs = Result.getOrThrow(PgTypes.encode(date, PgTypes.OID.timestamptz))
        assert.deepStrictEqual(bytes(date), theirs)
        assert.deepStrictEqual(bytes(date.getTime()), theirs)
      })
    )
    assert.strictEqual(text(bytes(Number.POSITIVE_INFINITY)), "infinity")
    assert.strictEqual(text(bytes("-infinity")), "-infinity")
  })

  it("refuses what is no instant", () => {
    for (const value of ["", "today", "2026-11-22", "2026-13-01T00:00:00Z", "2026-11-22T10:00:00", Number.NaN]) {
      assert.isTrue(Result.isFailure(codec.encode(value)), String(value))
    }
    assert.isTrue(Result.isFailure(codec.decode(new Uint8Array(7))))
  })

  it("reads offsets", () => {
    assert.strictEqual(text(bytes("2026-11-22T18:31:00.5+02:00")), "2026-11-22T16:31:00.500000Z")
  })

  layer(TestDatabase.layer)("in Postgres", (it) => {
    it.effect("comes back as it went in: alone, in arrays, as a Date, and as nothing", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const instant = "2026-11-22T16:31:00.123456Z"
        const rows = yield* sql`
          SELECT ${instant}::timestamptz AS plain,
                 ${[instant]}::timestamptz[] AS listed,
                 ${new Date("2026-11-22T16:31:00.123Z")}::timestamptz AS from_date,
                 ${[new Date("2026-11-22T16:31:00.123Z")]}::timestamptz[] AS from_dates,
                 ARRAY[NULL, 'infinity']::timestamptz[] AS odd,
                 NULL::timestamptz AS nothing,
                 '2026-11-22 16:31:00.123'::timestamp AS zoneless`
        assert.deepStrictEqual(rows, [
          {
            plain: instant,
            listed: [instant],
            fromDate: "2026-11-22T16:31:00.123000Z",
            fromDates: ["2026-11-22T16:31:00.123000Z"],
            odd: [null, "infinity"],
            nothing: null,
            zoneless: new Date("2026-11-22T16:31:00.123Z")
          }
        ])
      })
    )

    it.effect("orders as Postgres does, microseconds included", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const rows = yield* sql<{ readonly at: string }>`
          SELECT at FROM unnest(ARRAY['2026-11-22 16:31:00.000002Z', '2026-11-22 16:31:00.000001Z']::timestamptz[]) AS at
          WHERE at > ${"2026-11-22T16:31:00.000001Z"}`
        assert.deepStrictEqual(rows, [{ at: "2026-11-22T16:31:00.000002Z" }])
      })
    )
  })

  it("has a registry of its own", () => {
    const wire = bytes("2026-11-22T16:31:00Z")
    assert.instanceOf(Result.getOrThrow(PgTypes.decode(wire, PgTypes.OID.timestamptz, 1)), Date)
    assert.strictEqual(
      Result.getOrThrow(PgTypes.decode(wire, PgTypes.OID.timestamptz, 1, registry)),
      "2026-11-22T16:31:00.000000Z"
    )
  })
})

import { assert, describe, it } from "@effect/vitest"
import { isDatabaseAway } from "@joy/server/http/DatabaseAway"
import * as SqlError from "effect/sql/SqlError"

const unknown = (code: string) =>
  new SqlError.SqlError({
    reason: new SqlError.UnknownError({
      cause: Object.assign(new Error("said the server"), { code }),
      message: "failed"
    })
  })

describe("a database that is away", () => {
  for (const code of ["57P01", "57P03", "53300", "08006"]) {
    it(`is known by ${code}, whatever the driver makes of it`, () => {
      assert.isTrue(isDatabaseAway(unknown(code)))
    })
  }

  it("is not what refuses a statement, or no error of the database at all", () => {
    assert.isFalse(isDatabaseAway(unknown("42601")))
    assert.isFalse(isDatabaseAway(unknown("23505")))
    assert.isFalse(isDatabaseAway(Object.assign(new Error("connect"), { code: "57P03" })))
    assert.isFalse(isDatabaseAway(null))
  })
})

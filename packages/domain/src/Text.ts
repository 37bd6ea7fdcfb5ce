import * as Schema from "effect/Schema"

/** Text of a stranger that goes to the database: bounded, and without NUL, which Postgres has no place for. */
export const Text = (maxLength: number) =>
  Schema.String.check(
    Schema.isMaxLength(maxLength),
    Schema.makeFilter((text: string) => !text.includes("\0"), { expected: "a text without NUL" })
  )

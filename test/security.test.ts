import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"

/**
 * SECURITY.md lists what must hold, each line under a number. What is listed is proven: the name of a test that would
 * fail if the line were not true ends with its number, or with several: `… [P1, P3]`.
 */
const root = join(import.meta.dirname, "..")

const numbers = [...readFileSync(join(root, "SECURITY.md"), "utf8").matchAll(/^- \*\*([A-Z]\d+)\*\* /gm)].map(
  ([, number = ""]) => number
)

/** Tests, and the parts of tests that lie beside them. */
const testFiles = ["packages", "testing", "test", "bench"].flatMap((folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !name.includes("node_modules"))
    .map((name) => join(folder, name))
    .filter((name) => /(^|\/)test\//.test(name))
)

/** The numbers that a file's strings end with, each with where it stands. */
const proofs = testFiles.flatMap((file) => {
  const names = readFileSync(join(root, file), "utf8").matchAll(/^(?!\s*\/\/).* \[([A-Z]\d+(?:, [A-Z]\d+)*)\]["'`]/gm)
  return Array.from(names, ([, list = ""]) => list.split(", "))
    .flat()
    .map((number) => ({ file, number }))
})

describe("SECURITY.md", () => {
  it("has each number once", () => {
    assert.isAbove(numbers.length, 0)
    assert.deepStrictEqual([...new Set(numbers)], numbers)
  })

  it("has a test for every line", () => {
    const proven = new Set(proofs.map(({ number }) => number))
    assert.deepStrictEqual(
      numbers.filter((number) => !proven.has(number)),
      []
    )
  })

  it("has a line for every number that a test names", () => {
    assert.deepStrictEqual(
      proofs.filter(({ number }) => !numbers.includes(number)).map(({ file, number }) => `${file} names ${number}`),
      []
    )
  })
})

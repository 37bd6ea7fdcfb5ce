import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "..")

describe("the bundle", () => {
  it("has a file of its own for every thread that the source starts", () => {
    const sources = readdirSync(join(root, "packages"), { recursive: true, encoding: "utf8" })
      .filter((name) => /^[^/]+\/src\/.*\.ts$/.test(name))
      .map((name) => readFileSync(join(root, "packages", name), "utf8"))
    const started = sources.flatMap((text) => [...text.matchAll(/"\.\/([\w-]+-thread)\.js"/g)].map(([, name]) => name))
    const config = readFileSync(join(root, "rolldown.config.ts"), "utf8")
    const made = [...config.matchAll(/"([\w-]+-thread)": "packages\//g)].map(([, name]) => name)
    assert.isAtLeast(started.length, 2)
    assert.sameMembers(made, started)
  })
})

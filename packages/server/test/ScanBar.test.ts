import { execFileSync, spawnSync } from "node:child_process"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import { ScanId } from "@joy/domain/Ids"
import type { Scan } from "@joy/domain/Scan"
import { Timestamp } from "@joy/domain/Timestamp"

import * as ScanBar from "../src/ScanBar.ts"

const scan: Scan = {
  id: ScanId.make("018f0000-0000-7000-8000-000000000001"),
  status: "running",
  listed: 250_000,
  new: 1200,
  changed: 0,
  moved: 3,
  missing: 0,
  failed: 0,
  objectsPerSecond: 25_000.4,
  expectedEndAt: Timestamp.make("2026-01-01T00:00:40.000000Z"),
  message: null,
  startedAt: Timestamp.make("2026-01-01T00:00:00.000000Z"),
  finishedAt: null
}

describe("The bar of a scan", () => {
  it("says how much is done, how fast, what was found, and how long it takes still", () => {
    assert.strictEqual(
      ScanBar.draw(scan, Date.parse("2026-01-01T00:00:10Z")),
      "  Scanning  ██████░░░░░░░░░░░░░░░░░░  25%  250,000 objects  25,000/s  1,200 new, 3 moved  30 s left"
    )
  })

  it("promises nothing where nobody knows how much there is", () => {
    assert.strictEqual(
      ScanBar.draw({ ...scan, expectedEndAt: null }, Date.parse("2026-01-01T00:00:10Z")),
      "  Scanning  250,000 objects  25,000/s  1,200 new, 3 moved"
    )
  })

  const args = [join(import.meta.dirname, "scanBarProcess.ts"), JSON.stringify(scan)]
  const hasScript = process.platform === "linux" && spawnSync("script", ["--version"]).status === 0

  it.skipIf(!hasScript)(
    "is drawn on the last line of a terminal, and gone before anything else is written there",
    () => {
      const command = [process.execPath, ...args].map((part) => `'${part}'`).join(" ")
      const shown = execFileSync("script", ["-qec", command, "/dev/null"], {
        encoding: "utf8",
        input: "",
        env: { ...process.env, LOG_FORMAT: "", NO_COLOR: "1" }
      })
      const lines = shown.split("\r\u001b[2K")
      assert.lengthOf(lines, 4, JSON.stringify(shown))
      for (const line of lines.slice(0, 3)) assert.match(line.split("\n").at(-1) ?? "", /^ {2}Scanning /)
      assert.match(lines[1] ?? "", /logged/)
      assert.match(lines[2] ?? "", /^said\r?\n/)
      assert.strictEqual(lines[3], "")
    }
  )

  it("is nothing where there is no terminal", () => {
    const written = execFileSync(process.execPath, args, { encoding: "utf8" })
    assert.notInclude(written, "Scanning")
    assert.notInclude(written, "\u001b[2K")
    assert.include(written, "logged")
  })
})

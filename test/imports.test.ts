import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import { assert, describe, it } from "@effect/vitest"

/**
 * Who may import whom. ARCHITECTURE.md draws the same picture; this test is what makes it true. A context never imports a
 * sibling: what it needs of one is a port in domain.
 */
const mayImport: Record<string, ReadonlyArray<string>> = {
  domain: [],
  storage: ["domain"],
  media: ["domain", "storage"],
  auth: ["domain"],
  catalog: ["domain"],
  ingest: ["domain", "storage", "media", "catalog"],
  playback: ["domain", "storage", "media", "catalog"],
  server: ["domain", "storage", "media", "auth", "catalog", "ingest", "playback", "migrations"]
}

const root = join(import.meta.dirname, "..")

const sources = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join(folder, name))

/** Every module that a file names, by `import`, `export … from` and `import()`. */
const importsOf = (file: string) =>
  [
    ...readFileSync(file, "utf8").matchAll(
      /(?:^(?:import|export)\b[^"]*?\bfrom\s*|\bimport\(\s*|^import\s+)"([^"\n]+)"/gm
    )
  ].map(([, specifier = ""]) => specifier)

describe("the arrows between packages", () => {
  it("has a rule for every package", () => {
    assert.deepStrictEqual(readdirSync(join(root, "packages")).toSorted(), Object.keys(mayImport).toSorted())
  })

  for (const [name, allowed] of Object.entries(mayImport)) {
    it(`lets ${name} import ${allowed.length === 0 ? "no other package" : allowed.join(", ")}`, () => {
      const files = sources(join(root, "packages", name, "src"))
      const wrong = files.flatMap((file) =>
        importsOf(file)
          .filter((specifier) => specifier.startsWith("@joy/"))
          .filter((specifier) => !allowed.includes(specifier.split("/")[1] ?? ""))
          .map((specifier) => `${file.slice(root.length + 1)} imports ${specifier}`)
      )
      assert.deepStrictEqual(wrong, [])
    })

    it(`declares what ${name} imports in its package.json`, () => {
      const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8"))
      const declared = new Set(Object.keys({ ...manifest.dependencies, ...manifest.optionalDependencies }))
      const missing = sources(join(root, "packages", name, "src"))
        .flatMap(importsOf)
        .filter((specifier) => !specifier.startsWith(".") && !specifier.startsWith("node:"))
        .map((specifier) =>
          specifier
            .split("/")
            .slice(0, specifier.startsWith("@") ? 2 : 1)
            .join("/")
        )
        .filter((dependency) => !declared.has(dependency))
      assert.deepStrictEqual([...new Set(missing)], [])
    })
  }

  it("keeps domain to Effect alone", () => {
    const foreign = sources(join(root, "packages", "domain", "src"))
      .flatMap(importsOf)
      .filter((specifier) => !/^(\.|effect(\/|$))/.test(specifier))
    assert.deepStrictEqual(foreign, [])
  })

  it("keeps HTTP out of every context but the server and the contract", () => {
    const http = Object.keys(mayImport)
      .filter((name) => name !== "server" && name !== "domain")
      .flatMap((name) => sources(join(root, "packages", name, "src")))
      .filter((file) => importsOf(file).some((specifier) => /^effect\/http(-api)?(\/|$)/.test(specifier)))
    assert.deepStrictEqual(http, [])
  })

  it("leaves no package in a file that exports others", () => {
    const barrels = Object.keys(mayImport)
      .flatMap((name) => sources(join(root, "packages", name, "src")))
      .filter((file) => file.endsWith("/index.ts"))
    assert.deepStrictEqual(barrels, [])
  })
})

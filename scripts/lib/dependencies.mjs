import { spawnSync } from "node:child_process"
import { createHash } from "node:crypto"
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { root } from "./node.mjs"

const stamp = join(root, "node_modules", ".joy-setup")

const readJson = (path) => JSON.parse(readFileSync(path, "utf8"))

/** Every package.json of the workspace, the root's first. */
const manifests = () => {
  const folders = readJson(join(root, "package.json")).workspaces.flatMap((pattern) =>
    pattern.endsWith("/*")
      ? readdirSync(join(root, pattern.slice(0, -2))).map((name) => join(pattern.slice(0, -2), name))
      : [pattern]
  )
  return ["package.json", ...folders.sort().map((folder) => join(folder, "package.json"))]
}

/** What the installed packages depend on: the lockfile and every manifest but the scripts in it. */
const wanted = () => {
  const hash = createHash("sha256").update(readFileSync(join(root, "package-lock.json")))
  for (const path of manifests()) {
    if (!existsSync(join(root, path))) continue
    const { dependencies, devDependencies, optionalDependencies, bin } = readJson(join(root, path))
    hash.update(JSON.stringify([path, dependencies, devDependencies, optionalDependencies, bin]))
  }
  return `${process.platform}-${process.arch} ${hash.digest("hex")}`
}

/** Whether npm has installed exactly the lockfile already, without us: by `npm ci` or `npm install`. */
const matchesLockfile = () => {
  const hidden = join(root, "node_modules", ".package-lock.json")
  if (!existsSync(hidden)) return false
  const installed = readJson(hidden).packages
  return Object.entries(readJson(join(root, "package-lock.json")).packages).every(([path, entry]) => {
    if (path === "" || !path.includes("node_modules/")) return true
    const found = installed[path]
    // Optional ones are there or not by platform.
    if (found === undefined) return entry.optional === true || entry.devOptional === true
    return entry.link === true || found.version === entry.version
  })
}

/**
 * Not `npm ci`: it deletes the Node.js that may be running this. The lockfile is what decides all the same: `--no-save`
 * leaves it alone, and `matchesLockfile` looks at the outcome. No install scripts: nothing here needs one, and none should
 * run with the rights of whoever starts this.
 */
const install = ["install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]

const runNpm = () => {
  const npm = process.env.npm_execpath
  return npm !== undefined && /npm-cli\.c?js$/.test(npm)
    ? spawnSync(process.execPath, [npm, ...install], { cwd: root, encoding: "utf8" })
    : spawnSync("npm", install, { cwd: root, encoding: "utf8" })
}

/** Installs the lockfile into node_modules, unless that is done. */
export const installDependencies = () => {
  const want = wanted()
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === want) return
  if (!matchesLockfile()) {
    console.log("Installing the dependencies in package-lock.json with npm")
    const result = runNpm()
    if (result.status !== 0 || !matchesLockfile()) {
      console.error(`${result.stdout ?? ""}${result.stderr ?? ""}${result.error?.message ?? ""}`)
      console.error("npm could not install what package-lock.json says; what it said stands above.")
      process.exit(1)
    }
  }
  writeFileSync(stamp, want)
}

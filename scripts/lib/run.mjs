import { spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"

import { requireNode, root } from "./node.mjs"

/** Runs a file with a Node.js that fits, in this terminal, and ends as it ends. */
export const runNode = (args, env = {}) => {
  const child = spawn(requireNode(), args, { stdio: "inherit", env: { ...process.env, ...env } })
  // Ctrl-C reaches both of us from the terminal; these reach only us.
  for (const name of ["SIGTERM", "SIGHUP"]) process.on(name, () => child.kill(name))
  process.on("SIGINT", () => {})
  child.on("exit", (code, signal) => {
    process.exitCode = code ?? 128 + (signal === "SIGINT" ? 2 : signal === "SIGKILL" ? 9 : 15)
  })
}

/** The first line of a file's first docblock. */
const summary = (path) => {
  const block = /\/\*\*(.*?)\*\//s.exec(readFileSync(path, "utf8"))
  const lines = (block?.[1] ?? "").split("\n").map((line) => line.replace(/^\s*\*?\s?/, "").trim())
  return lines.find((line) => line !== "") ?? ""
}

/** Runs `<folder>/<name>.ts` with the rest of the arguments; without a name, lists what there is. */
export const runByName = (folder, command) => {
  const [name, ...args] = process.argv.slice(2)
  const files = existsSync(folder) ? readdirSync(folder).filter((file) => file.endsWith(".ts")) : []
  const path = join(folder, `${name}.ts`)
  if (name !== undefined && existsSync(path)) return runNode([path, ...args])
  if (name !== undefined) console.error(`There is no ${relative(root, path)}.`)
  console.log(`npm run ${command} -- <name>, where <name> is one of`)
  const width = Math.max(0, ...files.map((file) => file.length))
  for (const file of files.sort()) {
    console.log(`  ${file.slice(0, -3).padEnd(width)} ${summary(join(folder, file))}`)
  }
  process.exitCode = name === undefined ? 0 : 1
}

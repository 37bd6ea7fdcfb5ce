import { spawnSync } from "node:child_process"
import { accessSync, constants, existsSync, rmSync, statSync, writeFileSync } from "node:fs"
import { delimiter, join } from "node:path"

import { root } from "./node.mjs"

const isExecutable = (path) => {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

export const onPath = (name) =>
  (process.env.PATH ?? "").split(delimiter).some((folder) => isExecutable(join(folder, name)))

const has = (variable, name) => {
  const path = process.env[variable]
  return path === undefined || path === "" ? onPath(name) : isExecutable(path)
}

/** Programs that npm has no package of, what they are called elsewhere, and what is missing without them. */
export const tools = {
  ffmpeg: {
    isThere: () => has("FFMPEG_PATH", "ffmpeg") && has("FFPROBE_PATH", "ffprobe"),
    apt: "ffmpeg",
    brew: "ffmpeg",
    without: "thumbnails of videos and the probing of unusual files are off"
  },
  "redis-server": {
    isThere: () => (process.env.TEST_REDIS_URL ?? "") !== "" || onPath("redis-server"),
    apt: "redis-server",
    brew: "redis",
    without: "the tests that need Redis are skipped"
  }
}

const run = (command, args, env = {}) =>
  spawnSync(command, args, { stdio: ["ignore", "ignore", "pipe"], encoding: "utf8", env: { ...process.env, ...env } })

/** What runs a command as root without asking anyone; `undefined` when nothing does. */
const asRoot = () => {
  if (process.getuid?.() === 0) return []
  return onPath("sudo") && run("sudo", ["-n", "true"]).status === 0 ? ["sudo", "-n"] : undefined
}

const aptGet = (prefix, args) => {
  const [command, ...rest] = [...prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", ...args]
  return run(command, rest)
}

const installWithApt = (prefix, names) => {
  console.log(`Installing ${names.join(" and ")} with apt-get`)
  const install = ["install", "-y", "--no-install-recommends", ...names]
  // Lists that are there may do; a new machine or image has none.
  if (aptGet(prefix, install).status === 0) return
  aptGet(prefix, ["update"])
  const result = aptGet(prefix, install)
  if (result.status !== 0) console.log(`apt-get failed: ${result.stderr.trim().split("\n").at(-1)}`)
}

const installWithBrew = (names) => {
  console.log(`Installing ${names.join(" and ")} with brew`)
  const result = run("brew", ["install", "--quiet", ...names], { HOMEBREW_NO_AUTO_UPDATE: "1" })
  if (result.status !== 0) console.log(`brew failed: ${result.stderr.trim().split("\n").at(-1)}`)
}

/** Where it stands that installing failed, so that not every start tries again. */
const failed = join(root, "node_modules", ".joy-setup-failed")
const retryAfterMillis = 24 * 60 * 60 * 1000

const howTo = (missing) => {
  const names = (kind) => missing.map((name) => tools[name][kind]).join(" ")
  if (onPath("apt-get")) return `sudo apt-get install ${names("apt")}`
  if (process.platform === "darwin") return `brew install ${names("brew")}`
  if (onPath("dnf")) return `sudo dnf install ${names("brew")}`
  if (onPath("pacman")) return `sudo pacman -S ${names("brew")}`
  return `your package manager (${names("brew")})`
}

const isMissing = (name) => !tools[name].isThere()

/** Installs those that are missing where that is possible without asking, and says about the others how to. */
export const installTools = (names) => {
  const missing = names.filter(isMissing)
  if (missing.length === 0) return
  if (!existsSync(failed) || Date.now() - statSync(failed).mtimeMs > retryAfterMillis) {
    rmSync(failed, { force: true })
    const prefix = onPath("apt-get") ? asRoot() : undefined
    if (prefix !== undefined)
      installWithApt(
        prefix,
        missing.map((name) => tools[name].apt)
      )
    else if (process.platform === "darwin" && onPath("brew")) installWithBrew(missing.map((name) => tools[name].brew))
  }
  const still = missing.filter(isMissing)
  if (still.length === 0) return
  writeFileSync(failed, `${still.join(" ")}\n`)
  console.log(
    `Not found: ${still.join(", ")} (${still.map((name) => tools[name].without).join("; ")}). Install with: ${howTo(still)}`
  )
}

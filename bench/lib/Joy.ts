import { type ChildProcess, spawn, spawnSync } from "node:child_process"
import { existsSync } from "node:fs"
import { dirname, join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { freePort } from "./Port.ts"

/** Starts `joy` as its users do, from the source or from the bundle, and stops it. */

export const root = dirname(dirname(import.meta.dirname))
const bundle = join(root, "dist", "joy.js")

export type From = "source" | "bundle"

/** From the source with the script that npm links, which looks for a Node.js that fits and sets the compile cache. */
const commandOf = (from: From) =>
  from === "source" ? [join(root, "node_modules", ".bin", "joy")] : [process.execPath, bundle]

/** Makes the bundle of what the source is now. */
export const build = (): void => {
  const rolldown = join(root, "node_modules", ".bin", "rolldown")
  const result = spawnSync(process.execPath, [rolldown, "-c", "rolldown.config.ts"], { cwd: root, encoding: "utf8" })
  if (result.status !== 0 || !existsSync(bundle)) throw new Error(`The bundle was not made:\n${result.stderr}`)
}

/** Nothing of the caller's own configuration: a bench runs with what it says. */
const environment = (folder: string, more: Readonly<Record<string, string>>) => ({
  PATH: process.env["PATH"] ?? "",
  HOME: folder,
  LOG_FORMAT: "json",
  DATA_DIR: join(folder, "data"),
  // The defaults are closed and limited; neither is what is measured.
  RATE_LIMITS: "off",
  ...more
})

export interface Joy {
  readonly pid: number
  readonly url: string
  /** Milliseconds since the epoch. */
  readonly startedAt: number
  /** From the start of the process until its port took a connection, and until `/health/ready` said yes. */
  readonly listensMillis: number
  readonly readyMillis: number
  /** CPU of the process itself, whatever else the machine was doing. */
  readonly startCpuMillis: number
  /** What it has printed, and when (milliseconds since it was started). */
  readonly lines: ReadonlyArray<{ readonly at: number; readonly text: string }>
  /** Asks it to stop (SIGTERM) and waits; says how long that took. */
  readonly stop: () => Promise<number>
  /** `kill -9`. From the bundle alone: from the source the process is below another one. */
  readonly kill: () => Promise<void>
}

const ended = (child: ChildProcess) =>
  child.exitCode !== null || child.signalCode !== null
    ? Promise.resolve()
    : new Promise<void>((resolve) => child.once("exit", () => resolve()))

/** One request with a connection of its own; `null` when there was no answer within `patience` milliseconds. */
const ask = async (url: string, patience: number) => {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(patience), headers: { connection: "close" } })
    await response.arrayBuffer()
    return response.status
  } catch {
    return null
  }
}

const running = new Set<ChildProcess>()
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")))
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1))

/** Starts a command that serves, in `folder` (not in the repository), and waits until it is ready. */
export const start = async (
  from: From,
  command: "up" | "serve" | "ingest",
  folder: string,
  more: Readonly<Record<string, string>> = {}
): Promise<Joy> => {
  const { cpuMillis } = await import("./Processes.ts")
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const [program = "", ...args] = commandOf(from)
  const lines: Array<{ at: number; text: string }> = []
  const began = performance.now()
  const child = spawn(program, [...args, command], {
    cwd: folder,
    env: environment(folder, { [command === "ingest" ? "METRICS_PORT" : "PORT"]: String(port), ...more }),
    stdio: ["ignore", "pipe", "pipe"]
  })
  running.add(child)
  let stopping = false
  child.once("exit", (code, signal) => {
    running.delete(child)
    if (stopping) return
    const last = lines.slice(-20).map(({ text }) => text)
    process.stderr.write(`joy ${command} ended by itself (${signal ?? code}):\n${last.join("\n")}\n`)
  })
  const note = (chunk: Buffer) => {
    const at = performance.now() - began
    for (const text of chunk.toString().split("\n")) if (text.trim() !== "") lines.push({ at, text })
  }
  child.stdout.on("data", note)
  child.stderr.on("data", note)
  const pid = child.pid ?? 0

  let listensMillis: number | undefined
  while (true) {
    if (child.exitCode !== null || performance.now() - began > 90_000) {
      child.kill("SIGKILL")
      throw new Error(`joy ${command} did not start:\n${lines.map(({ text }) => text).join("\n")}`)
    }
    const status = await ask(`${url}/health/ready`, 500)
    if (status !== null) listensMillis ??= performance.now() - began
    if (status === 200) break
    await sleep(5)
  }
  const readyMillis = performance.now() - began
  const startCpuMillis = cpuMillis(pid)
  const stop = async () => {
    const asked = performance.now()
    stopping = true
    child.kill("SIGTERM")
    const timer = setTimeout(() => child.kill("SIGKILL"), 15_000)
    await ended(child)
    clearTimeout(timer)
    return performance.now() - asked
  }
  const kill = async () => {
    stopping = true
    child.kill("SIGKILL")
    await ended(child)
  }
  return {
    pid,
    url,
    startedAt: performance.timeOrigin + began,
    listensMillis: listensMillis ?? readyMillis,
    readyMillis,
    startCpuMillis,
    lines,
    stop,
    kill
  }
}

/** Runs a command that ends; fails when it failed. */
export const run = (
  from: From,
  args: ReadonlyArray<string>,
  folder: string,
  more: Readonly<Record<string, string>>,
  input = ""
) => {
  const [program = "", ...rest] = commandOf(from)
  const result = spawnSync(program, [...rest, ...args], {
    cwd: folder,
    env: environment(folder, more),
    input,
    encoding: "utf8"
  })
  if (result.status !== 0) throw new Error(`joy ${args.join(" ")} failed:\n${result.stdout}${result.stderr}`)
  return result.stdout
}

/** The password that the first start printed. */
export const passwordOf = async (joy: Joy): Promise<string> => {
  for (let tries = 0; tries < 500; tries++) {
    const found = joy.lines
      .map(({ text }) => /^\s*Password\s+(\S+)$/.exec(text)?.[1])
      .find((text) => text !== undefined)
    if (found !== undefined) return found
    await sleep(20)
  }
  throw new Error("The first start printed no password")
}

const field = (value: unknown, name: string): unknown =>
  typeof value === "object" && value !== null && name in value
    ? Object.entries(value).find(([key]) => key === name)?.[1]
    : undefined

/** Signs in as the administrator; gives the access token. */
export const signIn = async (joy: Joy, password: string): Promise<string> => {
  const response = await fetch(`${joy.url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ identifier: "admin", password })
  })
  const token = field(await response.json(), "accessToken")
  if (typeof token !== "string") throw new Error(`Signing in was answered with ${response.status}`)
  return token
}

export interface Item {
  readonly id: string
  readonly title: string
  readonly status: string
}

/** The first page of `GET /media`. */
export const items = async (joy: Joy, token: string): Promise<ReadonlyArray<Item>> => {
  const response = await fetch(`${joy.url}/media?limit=100`, { headers: { authorization: `Bearer ${token}` } })
  const found = field(await response.json(), "items")
  if (!Array.isArray(found)) throw new Error(`GET /media was answered with ${response.status}`)
  return found.map((item: unknown) => ({
    id: String(field(item, "id")),
    title: String(field(item, "title")),
    status: String(field(item, "status"))
  }))
}

/** How many items have a status. */
export const countOf = async (joy: Joy, token: string, status: "ready" | "failed"): Promise<number> => {
  let count = 0
  let cursor = ""
  do {
    const response = await fetch(`${joy.url}/media?limit=200&status=${status}${cursor}`, {
      headers: { authorization: `Bearer ${token}` }
    })
    const page: unknown = await response.json()
    const found = field(page, "items")
    if (!Array.isArray(found)) throw new Error(`GET /media was answered with ${response.status}`)
    count += found.length
    const next = field(page, "nextCursor")
    cursor = typeof next === "string" ? `&cursor=${encodeURIComponent(next)}` : ""
  } while (cursor !== "")
  return count
}

/** Waits until `count` items are ready; fails when one failed or it takes longer than a minute. */
export const awaitReady = async (joy: Joy, token: string, count: number): Promise<ReadonlyArray<Item>> => {
  for (const began = performance.now(); performance.now() - began < 60_000; await sleep(50)) {
    const found = await items(joy, token)
    const failed = found.find(({ status }) => status === "failed")
    if (failed !== undefined) throw new Error(`${failed.title} failed`)
    if (found.filter(({ status }) => status === "ready").length >= count) return found
  }
  throw new Error(`There are no ${count} ready items`)
}

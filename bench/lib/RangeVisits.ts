import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"

import { atLeast, figure, median, progress } from "./Figures.ts"
import type { Job, Result } from "./load.ts"
import { cpuMillis } from "./Processes.ts"

/** Visits two servers in turn with the same load of ranges, which a third process makes. */

export interface Visited {
  readonly pid: number
  readonly port: number
}

const visits = 12
const visitMillis = 2000

const outputOf = (child: ChildProcess) =>
  new Promise<string>((resolve, reject) => {
    let text = ""
    let errors = ""
    child.stdout?.on("data", (chunk: Buffer) => (text += chunk.toString()))
    child.stderr?.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => (code === 0 ? resolve(text) : reject(new Error(errors))))
  })

const load = async (job: Job): Promise<Result> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "load.ts"), JSON.stringify(job)])
  return JSON.parse(await outputOf(child))
}

/** Starts a rival of `lib`, which prints its port. */
export const startRival = async (name: string, ...args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, name), ...args], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  process.on("exit", () => child.kill("SIGKILL"))
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk) => resolve(Number(chunk))))
  return { pid: child.pid ?? 0, port, stop: () => child.kill("SIGKILL") }
}

const empty = () => ({ rate: [] as Array<number>, cpu: [] as Array<number>, latency: [] as Array<number> })

/** Adds the figures of both; `target` is for how many times the rival's requests per second ours answers. */
export const compare = async (
  servers: { readonly ours: Visited; readonly theirs: Visited },
  job: Omit<Job, "port" | "millis">,
  names: { readonly where: string; readonly rival: string; readonly target: number }
): Promise<void> => {
  for (const { port } of Object.values(servers)) await load({ ...job, port, millis: 3000 })
  const measured = { ours: empty(), theirs: empty() }
  for (let visit = 0; visit < visits; visit++) {
    progress(`${names.where}: visit ${visit + 1} of ${visits}`)
    for (const name of visit % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const)) {
      const { pid, port } = servers[name]
      const before = cpuMillis(pid)
      const { latencies, millis, requests } = await load({ ...job, port, millis: visitMillis })
      measured[name].rate.push((requests * 1000) / millis)
      measured[name].cpu.push((cpuMillis(pid) - before) / requests)
      measured[name].latency.push(median(latencies))
    }
  }
  const ratios = (of: "rate" | "cpu") => measured.ours[of].map((value, at) => value / (measured.theirs[of][at] ?? 1))

  const { rival, target, where } = names
  figure(`${where}: requests per second, joy`, measured.ours.rate, "/s")
  figure(`${where}: requests per second, ${rival}`, measured.theirs.rate, "/s")
  figure(`${where}: ratio (more is better)`, ratios("rate"), "x", atLeast(target))
  figure(`${where}: CPU per request, joy`, measured.ours.cpu, "ms")
  figure(`${where}: CPU per request, ${rival}`, measured.theirs.cpu, "ms")
  figure(`${where}: ratio (less is better)`, ratios("cpu"), "x")
  figure(`${where}: median latency, joy`, measured.ours.latency, "ms")
  figure(`${where}: median latency, ${rival}`, measured.theirs.latency, "ms")
}

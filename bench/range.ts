/**
 * Ranges of a local original against fs.createReadStream in bare node:http, and memory while a slow reader holds one.
 *
 * Both servers are processes of their own and are visited in turn, by the same load from a third process. Ours checks a
 * token, the session behind it and the right to see the item, and opens the file anew for each request.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdirSync, openSync, readSync, closeSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { atLeast, atMost, figure, median, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import type { Job, Result } from "./lib/load.ts"
import { clip, pad } from "./lib/Media.ts"
import { cpuMillis, openTimes, rssMiB } from "./lib/Processes.ts"

const mebi = 2 ** 20
const rangeBytes = 4 * mebi
const fileBytes = 256 * mebi
const slowBytes = 2048 * mebi
const connections = 4
const visits = 16
const visitMillis = 2000
const slowMillis = 10_000
const slowBytesPerSecond = 20e6

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
  const child = spawn(process.execPath, [join(import.meta.dirname, "lib", "load.ts"), JSON.stringify(job)])
  return JSON.parse(await outputOf(child))
}

const startRival = async (path: string) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "lib", "rival.ts"), path])
  process.on("exit", () => child.kill("SIGKILL"))
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk) => resolve(Number(chunk))))
  return { pid: child.pid ?? 0, port, stop: () => child.kill("SIGKILL") }
}

/** Some ranges, byte by byte: a server that is quick with the wrong bytes has won nothing. */
const checkBytes = async (url: string, token: string, path: string) => {
  const fd = openSync(path, "r")
  for (const start of [0, 1, 511, 4096, 77_777_777, fileBytes - rangeBytes - 1, fileBytes - 5]) {
    const end = Math.min(start + rangeBytes, fileBytes) - 1
    const response = await fetch(url, { headers: { authorization: `Bearer ${token}`, range: `bytes=${start}-${end}` } })
    const got = Buffer.from(await response.arrayBuffer())
    const wanted = Buffer.alloc(end + 1 - start)
    readSync(fd, wanted, 0, wanted.length, start)
    if (!got.equals(wanted)) throw new Error(`Bytes ${start} to ${end} are not those of the file`)
  }
  closeSync(fd)
}

/** Reads a whole answer slowly, `millis` long, and hangs up in the middle. */
const readSlowly = async (joy: Joy.Joy, path: string, token: string, during: () => void) => {
  const socket = connect({ port: Number(new URL(joy.url).port), host: "127.0.0.1" })
  const began = performance.now()
  let taken = 0
  const allowed = () => ((performance.now() - began) / 1000) * slowBytesPerSecond
  socket.on("error", () => undefined)
  socket.on("data", (chunk: Buffer) => {
    taken += chunk.length
    if (taken > allowed()) socket.pause()
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`)
  while (performance.now() - began < slowMillis) {
    await sleep(10)
    if (taken <= allowed()) socket.resume()
    during()
  }
  socket.destroy()
  return taken
}

await withFolder(async (folder) => {
  progress("Making the files")
  const library = join(folder, "library")
  mkdirSync(library)
  const file = join(library, "range.mp4")
  const large = join(library, "slow.mp4")
  clip(file)
  pad(file, fileBytes, (_at, size) => randomBytes(size))
  clip(large)
  pad(large, slowBytes)

  const settings = { MEDIA_DIR: library, INGEST_INTERVAL: "1h", ACCESS_TOKEN_TTL: "1h" }
  const joy = await Joy.start("source", "up", folder, settings)
  const token = await Joy.signIn(joy, await Joy.passwordOf(joy))
  const items = await Joy.awaitReady(joy, token, 2)
  const pathOf = (title: string) => `/media/${items.find((item) => item.title === title)?.id}/content`
  await checkBytes(joy.url + pathOf("range"), token, file)

  // Before the load: on a heap that the load has made large, growth would not show.
  progress("A slow reader of 2 GiB")
  const before = rssMiB(joy.pid)
  let peak = before
  let open = 0
  const taken = await readSlowly(joy, pathOf("slow"), token, () => {
    peak = Math.max(peak, rssMiB(joy.pid))
    open = Math.max(open, openTimes(joy.pid, large))
  })
  if (open !== 1) throw new Error(`The file was open ${open} times while it was read`)
  let freedAfter = performance.now()
  while (openTimes(joy.pid, large) > 0 && performance.now() - freedAfter < 5000) await sleep(5)
  freedAfter = performance.now() - freedAfter
  const leaked = openTimes(joy.pid, large)
  await sleep(1000)
  const after = rssMiB(joy.pid)

  const rival = await startRival(file)
  const job = { path: pathOf("range"), token, sizeBytes: fileBytes, rangeBytes, connections, millis: visitMillis }
  const servers = {
    ours: { pid: joy.pid, port: Number(new URL(joy.url).port) },
    theirs: { pid: rival.pid, port: rival.port }
  }
  for (const { port } of Object.values(servers)) await load({ ...job, port, millis: 3000 })

  const measured = { ours: empty(), theirs: empty() }
  for (let visit = 0; visit < visits; visit++) {
    progress(`Visit ${visit + 1} of ${visits}`)
    for (const name of visit % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const)) {
      const { pid, port } = servers[name]
      const before = cpuMillis(pid)
      const { latencies, millis, requests } = await load({ ...job, port })
      measured[name].rate.push((requests * 1000) / millis)
      measured[name].cpu.push((cpuMillis(pid) - before) / requests)
      measured[name].latency.push(median(latencies))
    }
  }
  rival.stop()
  const ratios = (of: "rate" | "cpu") => measured.ours[of].map((value, at) => value / (measured.theirs[of][at] ?? 1))

  await joy.stop()

  figure("requests per second, joy", measured.ours.rate, "/s")
  figure("requests per second, createReadStream", measured.theirs.rate, "/s")
  figure("ratio (more is better)", ratios("rate"), "x", atLeast(1.3))
  figure("CPU per request, joy", measured.ours.cpu, "ms")
  figure("CPU per request, createReadStream", measured.theirs.cpu, "ms")
  figure("ratio (less is better)", ratios("cpu"), "x")
  figure("median latency, joy", measured.ours.latency, "ms")
  figure("median latency, createReadStream", measured.theirs.latency, "ms")
  figure("slow reader: read of 2 GiB in 10 s", [taken / mebi], "MiB")
  figure("slow reader: memory before", [before], "MiB RSS")
  figure("slow reader: growth at the peak", [peak - before], "MiB RSS", atMost(16))
  figure("slow reader: growth afterwards", [after - before], "MiB RSS")
  figure("slow reader: file closed after the abort", [freedAfter], "ms", atMost(1000))
  figure("slow reader: descriptors left open", [leaked], "", atMost(0))
  print("range: 4 MiB ranges of a 256 MiB original on 4 connections")
})

function empty() {
  return { rate: [] as Array<number>, cpu: [] as Array<number>, latency: [] as Array<number> }
}

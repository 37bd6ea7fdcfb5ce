/**
 * Random segments of a film of ten minutes, made as they are asked for, against nginx that serves the very same segments
 * from files, and against `ffmpeg -c copy`.
 *
 * Both servers are visited in turn by the same load from a third process, on eight connections. Ours checks the grant and
 * what stands behind it at every request, and opens the object anew.
 */
import { spawn, spawnSync } from "node:child_process"
import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { ffmpeg } from "@joy/testing/Executables"
import { validateMedia } from "@joy/testing/HlsValidator"

import { atLeast, atMost, figure, median, percentile, print, progress } from "./lib/Figures.ts"
import { film } from "./lib/Film.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import * as Nginx from "./lib/Nginx.ts"
import { segmentCpu } from "./lib/Packaging.ts"
import type { Job, Result } from "./lib/partsLoad.ts"
import { bytesRead, cpuMillis, endedChildrenCpuMillis, rssMiB } from "./lib/Processes.ts"

const connections = 8
const visits = 8
const visitMillis = 2500
const warmUpMillis = 25_000
const copies = 12

const load = (folder: string, job: Job) =>
  new Promise<Result>((resolve, reject) => {
    const path = join(folder, `job-${job.port}.json`)
    writeFileSync(path, JSON.stringify(job))
    const child = spawn(process.execPath, [join(import.meta.dirname, "lib", "partsLoad.ts"), path])
    let output = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(output)) : reject(new Error(errors))))
  })

const fetched = async (url: string) => {
  const response = await fetch(url)
  if (response.status !== 200) throw new Error(`${url} was answered with ${response.status}`)
  return Buffer.from(await response.arrayBuffer())
}

/** The URL of the multivariant playlist. */
const playbackOf = async (joy: Joy.Joy, token: string, id: string) => {
  const response = await fetch(`${joy.url}/media/${id}/playback`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` }
  })
  const { hls }: { hls: { url: string } } = JSON.parse(await response.text())
  return new URL(hls.url, joy.url)
}

/** Stores all segments as files, which nginx serves then. */
const store = async (main: URL, folder: string) => {
  const base = new URL("main/", main)
  const { segments } = validateMedia((await fetched(new URL("index.m3u8", base).href)).toString())
  const parts: Array<{ path: string; file: string; bytes: number }> = []
  for (const { uri } of segments) {
    const url = new URL(uri, base)
    const bytes = await fetched(url.href)
    writeFileSync(join(folder, uri), bytes)
    parts.push({ path: url.pathname, file: `/${uri}`, bytes: bytes.length })
  }
  return parts
}

/** CPU of one segment by `ffmpeg -c copy` into fragmented MP4, in its own process. */
const copyCpu = (path: string): ReadonlyArray<number> =>
  Array.from({ length: copies }, (_, i) => {
    const before = endedChildrenCpuMillis(process.pid)
    const at = String(6 * (7 * i + 1))
    const args = ["-v", "error", "-ss", at, "-t", "6", "-i", path, "-c", "copy", "-f", "mp4"]
    const flags = ["-movflags", "+frag_keyframe+empty_moov+default_base_moof", "pipe:1"]
    const { status } = spawnSync(ffmpeg() ?? "ffmpeg", [...args, ...flags], { maxBuffer: 2 ** 27 })
    if (status !== 0) throw new Error("ffmpeg failed")
    return endedChildrenCpuMillis(process.pid) - before
  })

const mean = (values: ReadonlyArray<number>) => values.reduce((sum, value) => sum + value, 0) / values.length

const empty = () => ({ rate: [] as Array<number>, cpu: [] as Array<number>, latencies: [] as Array<number> })

if (!Nginx.isInstalled) {
  console.log("hls is measured beside nginx: install it first (apt-get install nginx-light, brew install nginx)")
  process.exit(1)
}

await withFolder(async (folder) => {
  progress("Making ten minutes of 1080p")
  const library = join(folder, "library")
  const made = join(folder, "segments")
  mkdirSync(library)
  mkdirSync(made)
  const path = join(library, "film.mp4")
  film(path, "-movflags", "+faststart")

  const settings = { MEDIA_DIR: library, INGEST_INTERVAL: "1h", ACCESS_TOKEN_TTL: "1h", GRANT_TTL: "1h" }
  const joy = await Joy.start("source", "up", folder, settings)
  const token = await Joy.signIn(joy, await Joy.passwordOf(joy))
  const items = await Joy.awaitReady(joy, token, 1)
  const parts = await store(await playbackOf(joy, token, items[0]?.id ?? ""), made)
  const nginx = await Nginx.start(join(folder, "nginx"), made)

  const servers = {
    ours: { pid: joy.pid, port: Number(new URL(joy.url).port), parts },
    theirs: { pid: nginx.pid, port: nginx.port, parts: parts.map(({ bytes, file }) => ({ path: file, bytes })) }
  }
  const job = { connections, millis: visitMillis }
  progress("Warming up")
  // Until buffers and the heap have the size that they keep.
  await load(folder, { ...job, ...servers.ours, millis: warmUpMillis })
  await load(folder, { ...job, ...servers.theirs })

  const memory: Array<number> = []
  const measured = { ours: empty(), theirs: empty() }
  const readShares: Array<number> = []
  for (let visit = 0; visit < visits; visit++) {
    progress(`Visit ${visit + 1} of ${visits}`)
    for (const name of visit % 2 === 0 ? (["ours", "theirs"] as const) : (["theirs", "ours"] as const)) {
      const { parts, pid, port } = servers[name]
      const [cpu, read] = [cpuMillis(pid), bytesRead(pid)]
      const result = await load(folder, { ...job, port, parts })
      measured[name].rate.push((result.requests * 1000) / result.millis)
      measured[name].cpu.push((cpuMillis(pid) - cpu) / result.requests)
      measured[name].latencies.push(percentile(result.latencies, 0.99))
      if (name === "ours") readShares.push((bytesRead(pid) - read) / result.bytes)
      if (name === "ours") memory.push(rssMiB(pid))
    }
  }
  nginx.stop()
  progress("ffmpeg -c copy")
  const copied = copyCpu(path)
  await joy.stop()
  const alone = await segmentCpu(path, 300)

  const ratios = (of: "rate" | "cpu") => measured.ours[of].map((value, at) => value / (measured.theirs[of][at] ?? 1))
  figure("bytes of a segment", [median(parts.map(({ bytes }) => bytes)) / 2 ** 20], "MiB")
  figure("segments per second, joy", measured.ours.rate, "/s")
  figure("segments per second, nginx", measured.theirs.rate, "/s")
  figure("ratio (more is better)", ratios("rate"), "x", atLeast(0.8))
  figure("CPU of a segment, joy", measured.ours.cpu, "ms")
  figure("CPU of a segment, nginx", measured.theirs.cpu, "ms")
  figure("ratio (less is better)", ratios("cpu"), "x", atMost(8))
  figure("CPU of a segment, ffmpeg -c copy", copied, "ms")
  figure("CPU of a segment in process, without sending it", alone, "ms")
  figure("ffmpeg to that (more is better)", [mean(copied) / median(alone)], "x", atLeast(100))
  figure("ffmpeg to joy with sending it", [mean(copied) / median(measured.ours.cpu)], "x")
  figure("bytes read for a byte sent", readShares, "", atMost(1.01))
  figure("99 of 100 segments within, joy", measured.ours.latencies, "ms", atMost(10))
  figure("99 of 100 segments within, nginx", measured.theirs.latencies, "ms")
  figure("memory", memory, "MiB RSS")
  figure("its growth under load", [(memory.at(-1) ?? 0) - (memory[0] ?? 0)], "MiB RSS", atMost(32))
  print(`hls: ${parts.length} segments of 1080p at random on ${connections} connections`)
})

/**
 * Ranges of an original: of a local one against fs.createReadStream in bare node:http, with memory while a slow reader holds
 * one; of one in a bucket, by a grant, against the SDK's GetObject in bare node:http.
 *
 * Both servers are processes of their own and are visited in turn, by the same load from a third process. Ours checks a
 * token, the session behind it and the right to see the item, and opens the file anew for each request.
 */
import { randomBytes } from "node:crypto"
import { mkdirSync, openSync, readSync, closeSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Gateway from "./lib/Gateway.ts"
import * as Joy from "./lib/Joy.ts"
import { clip, pad } from "./lib/Media.ts"
import { openTimes, rssMiB } from "./lib/Processes.ts"
import { compare, startRival } from "./lib/RangeVisits.ts"

const mebi = 2 ** 20
const rangeBytes = 4 * mebi
const fileBytes = 256 * mebi
const slowBytes = 2048 * mebi
const connections = 4
const slowMillis = 10_000
const slowBytesPerSecond = 20e6

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

const visited = (joy: Joy.Joy) => ({ pid: joy.pid, port: Number(new URL(joy.url).port) })

/** The path that a playback answers with. */
const grantedPath = async (joy: Joy.Joy, token: string, id: string) => {
  const headers = { authorization: `Bearer ${token}` }
  const response = await fetch(`${joy.url}/media/${id}/playback`, { method: "POST", headers })
  const [path] = /\/play\/[\w-]+\/content/.exec(await response.text()) ?? []
  if (path === undefined) throw new Error(`Asking for the playback was answered with ${response.status}`)
  return path
}

const inBucket = async (folder: string, file: string) => {
  progress("Making the bucket")
  const bucket = "films"
  const key = "range.mp4"
  const gateway = await Gateway.start(join(folder, "s3"), bucket)
  await Gateway.put(gateway.endpoint, bucket, key, file)
  const home = join(folder, "bucket")
  const settings = {
    S3_BUCKET: bucket,
    S3_ENDPOINT: gateway.endpoint,
    S3_REGION: "us-east-1",
    S3_FORCE_PATH_STYLE: "on",
    AWS_ACCESS_KEY_ID: Gateway.credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: Gateway.credentials.secretAccessKey,
    INGEST_INTERVAL: "1h",
    // Both take the tokens of either.
    PUBLIC_URL: "http://localhost:8080"
  }
  const up = await Joy.start("source", "up", home, settings)
  const token = await Joy.signIn(up, await Joy.passwordOf(up))
  const [item] = await Joy.awaitReady(up, token, 1)
  // Beside it, as in production: bytes leave a process that does nothing else.
  const joy = await Joy.start("source", "serve", home, settings)
  const path = await grantedPath(joy, token, item?.id ?? "")
  await checkBytes(joy.url + path, token, file)
  const rival = await startRival("rivalBucket.ts", gateway.endpoint, bucket, key)
  const job = { path, token, sizeBytes: fileBytes, rangeBytes, connections }
  await compare({ ours: visited(joy), theirs: rival }, job, { where: "bucket", rival: "GetObject", target: 0.9 })
  rival.stop()
  await joy.stop()
  await up.stop()
  gateway.stop()
}

await withFolder(async (folder) => {
  progress("Making the files")
  const library = join(folder, "library")
  mkdirSync(library)
  mkdirSync(join(folder, "bucket"))
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

  const rival = await startRival("rival.ts", file)
  const servers = { ours: visited(joy), theirs: rival }
  const job = { path: pathOf("range"), token, sizeBytes: fileBytes, rangeBytes, connections }
  await compare(servers, job, { where: "folder", rival: "createReadStream", target: 1.3 })
  rival.stop()
  await joy.stop()
  figure("slow reader: read of 2 GiB in 10 s", [taken / mebi], "MiB")
  figure("slow reader: memory before", [before], "MiB RSS")
  figure("slow reader: growth at the peak", [peak - before], "MiB RSS", atMost(16))
  figure("slow reader: growth afterwards", [after - before], "MiB RSS")
  figure("slow reader: file closed after the abort", [freedAfter], "ms", atMost(1000))
  figure("slow reader: descriptors left open", [leaked], "", atMost(0))
  await inBucket(folder, file)
  print("range: 4 MiB ranges of a 256 MiB original on 4 connections")
})

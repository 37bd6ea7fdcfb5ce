/**
 * From 300 short files in the library until all are ready, beside the shell loop that does the least of it.
 *
 * The rival runs `ffprobe` and one `ffmpeg` thumbnail per file, two files at a time, and writes both to a folder: no
 * catalogue, no choice of a frame, one picture instead of six. Then what probe, thumbnails and storyboard read of a large
 * MP4 with its index at either end, by counting the bytes that the store gives.
 */
import { copyFileSync, mkdirSync, readdirSync, renameSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { readShares } from "./lib/CountedStore.ts"
import { atLeast, atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import { treeCpuMillis } from "./lib/Processes.ts"
import { shellLoop } from "./lib/shellLoop.ts"
import { large, masters } from "./lib/ShortFiles.ts"

const files = 300
const turns = Number(process.argv[2] ?? 3)

/** Copies of the masters, each a file of its own, an hour old: whole, and taken at once. */
const fill = (folder: string, from: ReadonlyArray<string>) => {
  mkdirSync(folder)
  const old = Date.now() / 1000 - 3600
  for (let i = 0; i < files; i++) {
    const source = from[i % from.length] ?? ""
    const target = join(folder, `${String(i).padStart(3, "0")} ${source.slice(source.lastIndexOf("/") + 1)}`)
    copyFileSync(source, target)
    utimesSync(target, old, old)
  }
}

const ours = async (folder: string, beside: string) => {
  const library = join(folder, "library")
  mkdirSync(library)
  writeFileSync(join(library, ".keep"), "")
  const joy = await Joy.start("bundle", "up", folder, {
    MEDIA_DIR: library,
    INGEST_INTERVAL: "1s",
    INGEST_CONCURRENCY: "2",
    ACCESS_TOKEN_TTL: "1h"
  })
  try {
    const token = await Joy.signIn(joy, await Joy.passwordOf(joy))
    const samples = (await Joy.awaitReady(joy, token, 0)).length
    const before = treeCpuMillis(joy.pid)
    const began = performance.now()
    renameSync(beside, join(library, "batch"))
    while (true) {
      // Three samples are there from the start.
      if ((await Joy.countOf(joy, token, "ready")) >= samples + files) break
      const failed = await Joy.countOf(joy, token, "failed")
      if (failed > 0) throw new Error(`${failed} files failed`)
      if (performance.now() - began > 600_000) throw new Error("Not all are ready after ten minutes")
      await sleep(200)
    }
    return { seconds: (performance.now() - began) / 1000, cpu: (treeCpuMillis(joy.pid) - before) / 1000 }
  } finally {
    await joy.stop()
  }
}

await withFolder(async (folder) => {
  progress("Making files")
  mkdirSync(join(folder, "masters"))
  const made = masters(join(folder, "masters"))
  Joy.build()
  const rates = { ours: [] as Array<number>, rival: [] as Array<number> }
  const cpus = { ours: [] as Array<number>, rival: [] as Array<number> }
  for (let turn = 0; turn < turns; turn++) {
    progress(`Turn ${turn + 1} of ${turns}: the loop`)
    const batch = join(folder, `batch-${turn}`)
    fill(batch, made)
    const rival = shellLoop(batch, join(folder, `loop-${turn}`))
    progress(`Turn ${turn + 1} of ${turns}: joy`)
    mkdirSync(join(folder, `joy-${turn}`))
    const joy = await ours(join(folder, `joy-${turn}`), batch)
    rates.rival.push(files / rival.seconds)
    rates.ours.push(files / joy.seconds)
    cpus.rival.push((rival.cpu / files) * 1000)
    cpus.ours.push((joy.cpu / files) * 1000)
  }
  figure("the loop", rates.rival, "files/s")
  figure("joy, until all are ready", rates.ours, "files/s")
  figure(
    "joy to the loop",
    rates.ours.map((rate, i) => rate / (rates.rival[i] ?? Number.NaN)),
    "times",
    atLeast(0.9)
  )
  figure("CPU of the loop", cpus.rival, "ms/file")
  figure("CPU of joy, Postgres and ffmpeg included", cpus.ours, "ms/file")

  for (const where of ["beginning", "end"] as const) {
    progress(`A large MP4 with its index at the ${where}`)
    const path = join(folder, `${where}.mp4`)
    large(path, where)
    const shares = await readShares(path)
    const name = `of ${(statSync(path).size / 1e9).toFixed(1)} GB, index at the ${where}:`
    figure(`${name} probe and thumbnails`, [shares.shown * 100], "%", atMost(2))
    figure(`${name} storyboard`, [shares.storyboard * 100], "%")
  }
  print(`ingest: ${files} short files (${readdirSync(join(folder, "masters")).length} kinds) on two cores`)
})

/**
 * From a film renamed into the library until GET /media says that it is ready.
 *
 * 20 MB of H.264 in 1080p, with INGEST_INTERVAL=1s: new each time, with the time of its making (a file that may still be
 * written) and with an old one (`cp -p`, `rsync -t`), which is taken at once.
 */
import { copyFileSync, mkdirSync, renameSync, utimesSync, writeFileSync } from "node:fs"
import { appendFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import { ffmpeg } from "./lib/Media.ts"
import { cpuMillis } from "./lib/Processes.ts"

const runs = 9
const bytes = 20e6

/** Moving pictures with noise in them, at a rate that makes about 20 MB of 20 seconds. */
const film = (path: string) =>
  ffmpeg([
    ..."-f lavfi -i testsrc2=size=1920x1080:rate=24:duration=20,noise=alls=12:allf=t".split(" "),
    ..."-f lavfi -i sine=frequency=330:sample_rate=48000:duration=20 -c:v libx264 -preset ultrafast".split(" "),
    ..."-b:v 7600k -maxrate 7600k -bufsize 7600k -pix_fmt yuv420p -c:a aac -movflags +faststart -f mp4".split(" "),
    path
  ])

/** Until the item of that title is ready, asked every 20 ms. */
const landed = async (joy: Joy.Joy, token: string, title: string) => {
  const began = performance.now()
  while (performance.now() - began < 60_000) {
    const found = (await Joy.items(joy, token)).find((item) => item.title === title)
    if (found?.status === "ready") return performance.now() - began
    if (found?.status === "failed") throw new Error(`${title} failed`)
    await sleep(20)
  }
  throw new Error(`${title} did not land within a minute`)
}

await withFolder(async (folder) => {
  progress("Making a film")
  const library = join(folder, "library")
  const master = join(folder, "master.mp4")
  mkdirSync(library)
  film(master)
  const size = statSync(master).size
  if (size < bytes * 0.8 || size > bytes * 1.2) throw new Error(`The film has ${size} bytes`)
  writeFileSync(join(library, ".keep"), "")

  const joy = await Joy.start("source", "up", folder, {
    MEDIA_DIR: library,
    INGEST_INTERVAL: "1s",
    ACCESS_TOKEN_TTL: "1h"
  })
  const token = await Joy.signIn(joy, await Joy.passwordOf(joy))

  const times = { fresh: [] as Array<number>, old: [] as Array<number> }
  const cpu: Array<number> = []
  for (let turn = 0; turn < runs; turn++) {
    for (const kind of ["fresh", "old"] as const) {
      progress(`A ${kind} file, ${turn + 1} of ${runs}`)
      const title = `${kind} ${turn}`
      const copy = join(folder, `${title}.part`)
      copyFileSync(master, copy)
      // No two are the same file.
      appendFileSync(copy, Buffer.from([0, 0, 0, 12, 0x66, 0x72, 0x65, 0x65, turn, kind.length, 0, 0]))
      if (kind === "old") utimesSync(copy, new Date("2024-03-01"), new Date("2024-03-01"))
      // Not in step with the scans.
      await sleep(Math.random() * 1000)
      const before = cpuMillis(joy.pid)
      renameSync(copy, join(library, `${title}.mp4`))
      times[kind].push((await landed(joy, token, title)) / 1000)
      cpu.push(cpuMillis(joy.pid) - before)
    }
  }
  await joy.stop()

  for (const kind of ["fresh", "old"] as const) {
    figure(`a ${kind} file, until it is ready`, times[kind], "s", atMost(3))
    figure("  the slowest", [Math.max(...times[kind])], "s")
  }
  figure("CPU of the server meanwhile, without ffmpeg's", cpu, "ms")
  print(`land: from ${(size / 1e6).toFixed(0)} MB renamed into the library until it plays`)
})

/**
 * How long `joy` takes to start, from nothing and again, and what it weighs at rest.
 *
 * From the source it is started with `node_modules/.bin/joy`, from the bundle with `node dist/joy.js` in another folder.
 * It has started when `/health/ready` says yes, which asks the database. CPU is that of the Node.js process alone and
 * hardly depends on what else the machine does; the times do.
 */
import { mkdirSync, readdirSync, statSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import * as Postgres from "./lib/Postgres.ts"
import { pssMiB, tree } from "./lib/Processes.ts"

const froms = ["source", "bundle"] as const
const firstRuns = 3
const againRuns = 5
const serveRuns = 9
const restMillis = 10_000

const each = <A>(make: () => A) => ({ source: make(), bundle: make() })
const numbers = () => each((): Array<number> => [])

/** From saying that it makes samples until the last one was written. */
const took = (joy: Joy.Joy, library: string) => {
  const from = joy.lines.find(({ text }) => text.includes("Making three samples"))?.at
  const files = readdirSync(library).filter((name) => !name.startsWith("."))
  const to = Math.max(...files.map((name) => statSync(join(library, name)).mtimeMs)) - joy.startedAt
  return from === undefined ? 0 : Math.max(0, Math.min(to, joy.readyMillis) - from)
}

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()

  const first = numbers()
  const samples = numbers()
  const again = numbers()
  const againCpu = numbers()
  const memory = numbers()
  const nodeMemory = numbers()
  const stopping: Array<number> = []

  for (let turn = 0; turn < firstRuns; turn++) {
    for (const from of froms) {
      progress(`First start from the ${from}, ${turn + 1} of ${firstRuns}`)
      const home = join(folder, `${from}-${turn}`)
      mkdirSync(home)
      const joy = await Joy.start(from, "up", home)
      await Joy.awaitReady(joy, await Joy.signIn(joy, await Joy.passwordOf(joy)), 3)
      const making = took(joy, join(home, "data", "media"))
      samples[from].push(making / 1000)
      first[from].push((joy.readyMillis - making) / 1000)
      await sleep(restMillis)
      const weights = tree(joy.pid).map((pid) => ({ pid, mib: pssMiB(pid) }))
      memory[from].push(weights.reduce((sum, { mib }) => sum + mib, 0))
      nodeMemory[from].push(weights.find(({ pid }) => pid === joy.pid)?.mib ?? 0)
      stopping.push((await joy.stop()) / 1000)
    }
  }
  for (let turn = 0; turn < againRuns; turn++) {
    for (const from of froms) {
      progress(`Start on the same data folder from the ${from}, ${turn + 1} of ${againRuns}`)
      const joy = await Joy.start(from, "up", join(folder, `${from}-0`))
      again[from].push(joy.readyMillis / 1000)
      againCpu[from].push(joy.startCpuMillis)
      stopping.push((await joy.stop()) / 1000)
    }
  }

  const serve = numbers()
  const serveCpu = numbers()
  const home = join(folder, "serve")
  mkdirSync(join(home, "data", "media"), { recursive: true })
  const postgres = await Postgres.start(folder)
  const settings = { DATABASE_URL: postgres.url }
  Joy.run("bundle", ["migrate"], home, settings)
  Joy.run("bundle", ["keys", "init"], home, settings)
  for (let turn = 0; turn < serveRuns; turn++) {
    for (const from of froms) {
      progress(`joy serve from the ${from}, ${turn + 1} of ${serveRuns}`)
      const joy = await Joy.start(from, "serve", home, settings)
      serve[from].push(joy.readyMillis / 1000)
      serveCpu[from].push(joy.startCpuMillis)
      await joy.stop()
    }
  }
  await postgres.stop()

  for (const from of froms) {
    figure(`first joy up, ${from}, without samples`, first[from], "s", atMost(6))
    figure(`  making the three samples`, samples[from], "s")
    figure(`joy up again, ${from}`, again[from], "s", atMost(2))
    figure(`  CPU of its start`, againCpu[from], "ms")
    figure(`joy serve, ${from}`, serve[from], "s", atMost(from === "bundle" ? 0.5 : 1))
    figure(`  CPU of its start`, serveCpu[from], "ms")
    figure(`joy up at rest, ${from}, Postgres included`, memory[from], "MiB PSS", atMost(from === "bundle" ? 300 : 450))
    figure(`  its Node.js process`, nodeMemory[from], "MiB PSS")
  }
  figure("stopping joy up", stopping, "s", atMost(5))
  print("start: how long joy takes to start, and what it weighs")
})

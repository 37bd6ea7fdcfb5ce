/**
 * Signing in: its rate beside the bare hash, what a flood of it does to readers, and what happens to too many.
 *
 * The rate is compared with argon2 alone, as many at a time as joy hashes; readers with an ordinary server on Fastify, jose
 * and argon2 on the same tables. `npm run bench -- login rate` measures one part alone (`rate`, `readers` or `crowd`).
 */
import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { hashesAtATime } from "@joy/auth/PasswordHasher"
import { Client } from "pg"

import { atLeast, atMost, figure, percentile, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import type * as Hashes from "./lib/hashes.ts"
import * as Http from "./lib/Http.ts"
import * as Joy from "./lib/Joy.ts"
import { quietly, watch } from "./lib/Machine.ts"
import * as Postgres from "./lib/Postgres.ts"
import { cpuMillis, pssMiB, treeCpuMillis } from "./lib/Processes.ts"
import type * as Requests from "./lib/requests.ts"
import * as Scripts from "./lib/Scripts.ts"

const clients = 16
const readerConnections = 4
const crowdClients = 200
const visits = 7
const visitMillis = 2000
const crowdMillis = 10_000
const restMillis = 3000
const password = "a tolerable phrase 42"

const load = (job: Requests.Job) => Scripts.run<Requests.Job, Requests.Result>("requests", job)
const served = ({ byStatus }: Requests.Result) => byStatus["200"]?.latencies ?? []
const perSecond = (result: Requests.Result) => (served(result).length * 1000) / result.millis

/** Nothing but 200, and an answer to everything: a server that is quick to refuse has won nothing. */
const allServed = (result: Requests.Result) => {
  const statuses = Object.keys(result.byStatus)
  if (result.lost > 0 || statuses.some((status) => status !== "200")) {
    throw new Error(`Answered with ${statuses.join(", ")}, and ${result.lost} times not at all`)
  }
  return result
}

const numbers = (): Array<number> => []

const names = Array.from({ length: clients }, (_, at) => `user${at}`)
const logins = names.map(
  (identifier) => ({ method: "POST", path: "/auth/login", body: { identifier, password } }) as const
)

/** A server that people sign in to and read from. */
const serverOf = async (title: string, pid: number, port: number, itemId: string) => {
  const body = { identifier: names[0], password }
  const { accessToken } = await Http.expect(200, `http://127.0.0.1:${port}`, "POST", "/auth/login", { body })
  const read = [{ method: "GET", path: `/media/${itemId}`, token: accessToken }] as const
  return {
    title,
    pid,
    login: (connections: number, millis: number) => load({ port, connections, millis, requests: logins }),
    read: async () =>
      allServed(await load({ port, connections: readerConnections, millis: visitMillis, requests: read }))
  }
}
type Server = Awaited<ReturnType<typeof serverOf>>

const rate = async (joy: Server, postgres: number, hash: string) => {
  const job: Hashes.Job = { hash, password, atATime: hashesAtATime, millis: visitMillis }
  const noted = {
    ours: numbers(),
    ourCpu: numbers(),
    databaseCpu: numbers(),
    bare: numbers(),
    bareCpu: numbers(),
    others: numbers()
  }
  const signIn = async () => {
    const before = cpuMillis(joy.pid)
    const databaseBefore = treeCpuMillis(postgres)
    const result = allServed(await joy.login(clients, visitMillis))
    const count = served(result).length
    return {
      rate: perSecond(result),
      cpu: (cpuMillis(joy.pid) - before) / count,
      databaseCpu: (treeCpuMillis(postgres) - databaseBefore) / count
    }
  }
  for (let turn = 0; turn < visits; turn++) {
    progress(`Signing in, visit ${turn + 1} of ${visits}`)
    const { others, value } = await quietly(async () => {
      const before = turn % 2 === 0 ? await signIn() : undefined
      const bare = await Scripts.run<Hashes.Job, Hashes.Result>("hashes", job)
      return { bare, ours: before ?? (await signIn()) }
    })
    noted.ours.push(value.ours.rate)
    noted.ourCpu.push(value.ours.cpu)
    noted.databaseCpu.push(value.ours.databaseCpu)
    noted.bare.push(value.bare.perSecond)
    noted.bareCpu.push(value.bare.cpuMillisEach)
    noted.others.push(others)
  }
  const ratios = noted.ours.map((value, at) => value / (noted.bare[at] ?? Number.NaN))
  figure(`sign-ins by ${clients} clients`, noted.ours, "/s")
  figure(`hashes and nothing else, ${hashesAtATime} at a time`, noted.bare, "/s")
  figure("  ratio (more is better)", ratios, "x", atLeast(0.95))
  figure("  CPU of joy per sign-in, with the hash", noted.ourCpu, "ms")
  figure("  CPU of Postgres per sign-in", noted.databaseCpu, "ms")
  figure("  CPU of the bare hash", noted.bareCpu, "ms")
  figure("  taken by others meanwhile", noted.others, "cores")
}

const readers = async (joy: Server, rival: Server) => {
  const servers = [joy, rival].map((server) => ({
    server,
    quiet: numbers(),
    middle: numbers(),
    late: numbers(),
    reads: numbers(),
    logins: numbers(),
    others: numbers()
  }))
  for (let turn = 0; turn < visits; turn++) {
    progress(`Readers during a flood, visit ${turn + 1} of ${visits}`)
    for (const noted of turn % 2 === 0 ? servers : servers.toReversed()) {
      const { others, value } = await quietly(async () => {
        const alone = await noted.server.read()
        const [flood, read] = await Promise.all([noted.server.login(clients, visitMillis), noted.server.read()])
        return { alone, flood: allServed(flood), read }
      })
      noted.quiet.push(percentile(served(value.alone), 0.5))
      noted.middle.push(percentile(served(value.read), 0.5))
      noted.late.push(percentile(served(value.read), 0.99))
      noted.reads.push(perSecond(value.read))
      noted.logins.push(perSecond(value.flood))
      noted.others.push(others)
    }
  }
  for (const { late, logins, middle, others, quiet, reads, server } of servers) {
    const judged = server === joy
    figure(`GET /media/:id, ${server.title}, without a flood: median`, quiet, "ms")
    figure(`  while ${clients} clients sign in: median`, middle, "ms", judged ? atMost(3) : undefined)
    figure("  99 % within", late, "ms", judged ? atMost(15) : undefined)
    figure("  reads meanwhile", reads, "/s")
    figure("  sign-ins meanwhile", logins, "/s")
    figure("  taken by others meanwhile", others, "cores")
  }
}

const crowd = async (joy: Server) => {
  const before = pssMiB(joy.pid)
  const flood = async () => {
    let peak = 0
    const timer = setInterval(() => {
      peak = Math.max(peak, pssMiB(joy.pid))
    }, 100)
    const result = await joy.login(crowdClients, crowdMillis)
    clearInterval(timer)
    return { peak, result }
  }
  progress(`${crowdClients} clients`)
  const first = await flood()
  progress(`${crowdClients} clients again`)
  const { others, value } = await watch(flood)
  await sleep(restMillis)
  const after = pssMiB(joy.pid)

  const { byStatus, lost } = value.result
  const refused = byStatus["503"]?.latencies ?? []
  const refusals = byStatus["503"]?.refusals ?? 0
  const strange = Object.keys(byStatus).filter((status) => status !== "200" && status !== "503")
  figure(`${crowdClients} clients: served`, [perSecond(value.result)], "/s")
  figure("  refused: 503, problem document, Retry-After", [(refusals * 1000) / crowdMillis], "/s", atLeast(1))
  figure("  answers that are neither", [refused.length - refusals + strange.length], "", atMost(0))
  figure("  requests that were lost", [lost], "", atMost(0))
  figure("  refusals: median", [percentile(refused, 0.5)], "ms")
  figure("  refusals: 99 % within", [percentile(refused, 0.99)], "ms")
  figure("  the longest wait of who was served", [Math.max(...served(value.result))], "ms")
  figure("  memory before", [before], "MiB PSS")
  figure("  at the peak of 10 s", [first.peak], "MiB PSS")
  figure("  growth from there to the peak of 10 s more", [value.peak - first.peak], "MiB PSS", atMost(16))
  figure("  memory afterwards", [after], "MiB PSS")
  figure("  taken by others meanwhile", [others], "cores")
}

const parts = process.argv.slice(2)
const wants = (part: string) => parts.length === 0 || parts.includes(part)

await withFolder(async (folder) => {
  progress("Building the bundle, making accounts")
  Joy.build()
  mkdirSync(join(folder, "data", "media"), { recursive: true })
  const postgres = await Postgres.start(folder)
  const settings = { DATABASE_URL: postgres.url, LOG_LEVEL: "warn" }
  Joy.run("bundle", ["migrate"], folder, settings)
  Joy.run("bundle", ["keys", "init"], folder, settings)
  const joy = await Joy.start("bundle", "serve", folder, settings)
  for (const username of names) {
    const body = { username, email: `${username}@example.org`, password }
    await Http.expect(201, joy.url, "POST", "/auth/register", { body })
  }
  const itemId = randomUUID()
  const database = new Client({ connectionString: postgres.url })
  await database.connect()
  await database.query(
    `INSERT INTO media_items (id, type, title, status, visibility, s3_key, etag, size_bytes)
     VALUES ($1, 'video', 'A film', 'ready', 'shared', 'film.mp4', '"1"', 1000000)`,
    [itemId]
  )
  const { rows } = await database.query("SELECT password_hash FROM users LIMIT 1")
  await database.end()

  const ordinary = await Scripts.serve("ordinary", [postgres.url])
  const ours = await serverOf("joy", joy.pid, Number(new URL(joy.url).port), itemId)
  const theirs = await serverOf("Fastify + jose", ordinary.pid, ordinary.port, itemId)
  for (const server of [ours, theirs]) {
    progress(`Warming up ${server.title}`)
    await server.read()
    await server.login(clients, visitMillis)
  }

  if (wants("rate")) await rate(ours, postgres.pid, rows[0].password_hash)
  if (wants("readers")) await readers(ours, theirs)
  if (wants("crowd")) await crowd(ours)

  ordinary.stop()
  await joy.stop()
  await postgres.stop()
  print("login: beside the bare hash, readers during a flood, and too many at once")
})

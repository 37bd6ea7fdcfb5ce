/**
 * POST /auth/refresh with a million live sessions against the same with a thousand, and a user with thousands of them.
 *
 * Two servers with a Postgres each, alike but for the number of rows, are visited in turn. Every session can be refreshed;
 * of the million a hundred thousand are, at random, so that hardly a page is asked for twice.
 */
import { createSecretKey, randomInt } from "node:crypto"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

import * as RefreshSecret from "@joy/auth/RefreshSecret"
import { SessionId } from "@joy/domain/Ids"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Redacted from "effect/Redacted"
import { Client } from "pg"

import { atMost, figure, percentile, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Http from "./lib/Http.ts"
import * as Joy from "./lib/Joy.ts"
import { quietly } from "./lib/Machine.ts"
import * as Postgres from "./lib/Postgres.ts"
import { cpuMillis, treeCpuMillis } from "./lib/Processes.ts"
import type * as Requests from "./lib/requests.ts"
import * as Scripts from "./lib/Scripts.ts"

const counts = { thousand: 1000, million: 1_000_000 } as const
const refreshed = 100_000
const sessionsPerUser = 10
const collector = 10_000
const connections = 32
const visits = 7
const visitMillis = 3000
const batch = 20_000

const numbers = (): Array<number> => []

/** The key that joy derives the secrets of new sessions from. */
const refreshKeyOf = (keysFile: string) => {
  const file: { readonly refresh: ReadonlyArray<{ readonly id: string; readonly secret: string }> } = JSON.parse(
    readFileSync(keysFile, "utf8")
  )
  const [first] = file.refresh
  if (first === undefined) throw new Error(`${keysFile} has no keys`)
  return { id: first.id, key: createSecretKey(Buffer.from(first.secret, "base64url")) }
}

const addUsers = async (client: Client, prefix: string, count: number) => {
  await client.query(
    `WITH made AS (
       INSERT INTO users (id, username, username_key)
       SELECT uuidv7(), $1 || n, $1 || n FROM generate_series(1, $2::int) AS n RETURNING id
     )
     INSERT INTO user_roles (user_id, role_id) SELECT made.id, roles.id FROM made, roles WHERE roles.name = 'viewer'`,
    [prefix, count]
  )
  const { rows } = await client.query<{ id: string }>("SELECT id FROM users WHERE starts_with(username, $1)", [prefix])
  return rows.map(({ id }) => id)
}

/** Adds live sessions as they are after signing in; gives the refresh tokens of those that `wanted` is true for. */
const addSessions = async (
  client: Client,
  key: ReturnType<typeof refreshKeyOf>,
  count: number,
  ownerOf: (at: number) => string,
  wanted: (at: number) => boolean
) => {
  const tokens: Array<string> = []
  for (let from = 0; from < count; from += batch) {
    const made = Array.from({ length: Math.min(batch, count - from) }, (_, at) => {
      const id = SessionId.make(SecureRandom.uuidV7Unsafe())
      const { hash, token } = RefreshSecret.derive(key, id, 0)
      if (wanted(from + at)) tokens.push(Redacted.value(token))
      return { id, owner: ownerOf(from + at), hash: Buffer.from(hash).toString("hex") }
    })
    await client.query(
      `INSERT INTO sessions (id, user_id, token_hash, secret_key_id, idle_expires_at, expires_at, ip, user_agent)
       SELECT id, owner, decode(hash, 'hex'), $4, now() + interval '30 days', now() + interval '180 days', '192.0.2.7',
         'Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0'
       FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS made (id, owner, hash)`,
      [made.map(({ id }) => id), made.map(({ owner }) => owner), made.map(({ hash }) => hash), key.id]
    )
  }
  return tokens
}

const stage = async (parent: string, count: number) => {
  const folder = join(parent, String(count))
  mkdirSync(join(folder, "data", "media"), { recursive: true })
  const postgres = await Postgres.start(folder)
  const keysFile = join(folder, "keys.json")
  const settings = { DATABASE_URL: postgres.url, AUTH_KEYS_FILE: keysFile, LOG_LEVEL: "warn" }
  Joy.run("bundle", ["migrate"], folder, settings)
  Joy.run("bundle", ["keys", "init"], folder, settings)
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  const key = refreshKeyOf(keysFile)
  const users = await addUsers(client, "user", count / sessionsPerUser)
  const ownerOf = () => users[randomInt(users.length)] ?? ""
  const tokens = await addSessions(client, key, count, ownerOf, () => randomInt(count) < refreshed)
  await client.query("VACUUM (ANALYZE) sessions")
  await client.query("VACUUM (ANALYZE) users")
  const { rows } = await client.query<{ mebi: number }>(
    "SELECT pg_total_relation_size('sessions')::float8 / 1048576 AS mebi"
  )
  const joy = await Joy.start("bundle", "serve", folder, settings)
  return { count, client, joy, key, postgres, tokens, mebi: rows[0]?.mebi ?? Number.NaN }
}
type Stage = Awaited<ReturnType<typeof stage>>

/** Refreshes for a while; the tokens that came stand in the stage for the next time. */
const refresh = async (stage: Stage) => {
  const { client, joy, postgres } = stage
  const updates = async () => {
    const { rows } = await client.query<{ all: number; hot: number }>(
      `SELECT n_tup_upd::int AS all, n_tup_hot_upd::int AS hot FROM pg_stat_user_tables WHERE relname = 'sessions'`
    )
    return rows[0] ?? { all: 0, hot: 0 }
  }
  const updatesBefore = await updates()
  const server = cpuMillis(joy.pid)
  const database = treeCpuMillis(postgres.pid)
  const job = { port: Number(new URL(joy.url).port), connections, millis: visitMillis, refreshTokens: stage.tokens }
  const result = await Scripts.run<Requests.Job, Requests.Result>("requests", job)
  const latencies = result.byStatus["200"]?.latencies ?? []
  const statuses = Object.keys(result.byStatus)
  if (result.lost > 0 || statuses.some((status) => status !== "200")) {
    throw new Error(`Answered with ${statuses.join(", ")}, and ${result.lost} times not at all`)
  }
  stage.tokens = [...result.refreshTokens]
  const serverCpu = cpuMillis(joy.pid) - server
  const databaseCpu = treeCpuMillis(postgres.pid) - database
  const { all, hot } = await updates()
  return {
    rate: (latencies.length * 1000) / result.millis,
    cpu: ((serverCpu + databaseCpu) * 1000) / latencies.length,
    databaseCpu: (databaseCpu * 1000) / latencies.length,
    middle: percentile(latencies, 0.5),
    late: percentile(latencies, 0.99),
    hot: (100 * (hot - updatesBefore.hot)) / (all - updatesBefore.all)
  }
}

/** A user with thousands of sessions lists them and ends them all. */
const collect = async ({ client, joy, key }: Stage) => {
  const [owner = ""] = await addUsers(client, "collector", 1)
  const [token = ""] = await addSessions(
    client,
    key,
    collector,
    () => owner,
    (at) => at === 0
  )
  const body = { refreshToken: token }
  const { accessToken } = await Http.expect(200, joy.url, "POST", "/auth/refresh", { body })
  const timed = async (status: number, method: "GET" | "POST", path: string) => {
    const began = performance.now()
    const response = await fetch(joy.url + path, { method, headers: { authorization: `Bearer ${accessToken}` } })
    await response.arrayBuffer()
    if (response.status !== status) throw new Error(`${method} ${path} was answered with ${response.status}`)
    return performance.now() - began
  }
  const listed = numbers()
  for (let turn = 0; turn < visits; turn++) listed.push(await timed(200, "GET", "/sessions?limit=200"))
  return { listed, ended: await timed(204, "POST", "/auth/logout-all") }
}

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()
  const stages: Array<Stage> = []
  for (const [name, count] of Object.entries(counts)) {
    progress(`Adding a ${name} sessions`)
    stages.push(await stage(folder, count))
  }
  const noted = stages.map((stage) => ({
    stage,
    rate: numbers(),
    cpu: numbers(),
    databaseCpu: numbers(),
    middle: numbers(),
    late: numbers(),
    hot: numbers(),
    others: numbers()
  }))
  for (const stage of stages) {
    progress(`Warming up with ${stage.count} sessions`)
    for (let turn = 0; turn < 3; turn++) await refresh(stage)
  }
  for (let turn = 0; turn < visits; turn++) {
    progress(`Refreshing, visit ${turn + 1} of ${visits}`)
    for (const note of turn % 2 === 0 ? noted : noted.toReversed()) {
      const { others, value } = await quietly(() => refresh(note.stage))
      note.rate.push(value.rate)
      note.cpu.push(value.cpu)
      note.databaseCpu.push(value.databaseCpu)
      note.middle.push(value.middle)
      note.late.push(value.late)
      note.hot.push(value.hot)
      note.others.push(others)
    }
  }
  const collected: Array<Awaited<ReturnType<typeof collect>>> = []
  for (const stage of stages) {
    progress(`A user with ${collector} sessions beside ${stage.count}`)
    collected.push(await collect(stage))
    await stage.client.end()
    await stage.joy.stop()
    await stage.postgres.stop()
  }

  const [few, many] = noted
  const ratios = (of: "rate" | "cpu" | "databaseCpu", over: typeof few, under: typeof few) =>
    (over?.[of] ?? []).map((value, at) => value / (under?.[of][at] ?? Number.NaN))
  for (const { cpu, databaseCpu, hot, late, middle, others, rate, stage } of noted) {
    figure(`refreshes with ${stage.count} sessions`, rate, "/s")
    figure("  their table and its indexes", [stage.mebi], "MiB")
    figure("  CPU of joy and Postgres per refresh", cpu, "µs")
    figure("  of that, Postgres", databaseCpu, "µs")
    figure("  median latency", middle, "ms")
    figure("  99 % of the answers within", late, "ms")
    figure("  updates that touched no index", hot, "%")
    figure("  taken by others meanwhile", others, "cores")
  }
  figure("cost of a million in time: requests per second", ratios("rate", few, many), "x", atMost(1.2))
  figure("cost of a million in CPU", ratios("cpu", many, few), "x", atMost(1.2))
  figure("  in CPU of Postgres", ratios("databaseCpu", many, few), "x")
  for (const [at, { ended, listed }] of collected.entries()) {
    figure(`a page of a user's ${collector} sessions, beside ${stages[at]?.count}`, listed, "ms")
    figure("  ending all of them", [ended], "ms")
  }
  print("sessions: what a million of them cost a refresh")
})

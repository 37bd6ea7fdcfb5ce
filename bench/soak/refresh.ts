import { parseArgs } from "node:util"

import * as Database from "@joy/server/Database"
import * as RefreshRaces from "@joy/testing/RefreshRaces"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { withFolder } from "../lib/Folder.ts"
import * as Joy from "../lib/Joy.ts"
import * as Postgres from "../lib/Postgres.ts"
import * as Redis from "../lib/Redis.ts"

/**
 * 10,000 refresh races over two servers: no family forks, nobody who follows the protocol is signed out, every replay ends
 * its family. `--races 500` runs fewer, `--seed 7` the same ones again.
 */
const { values } = parseArgs({
  options: { races: { type: "string", default: "10000" }, seed: { type: "string" } }
})
const races = Number(values.races)
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e9))
const password = "a phrase for races"
const graceMillis = 2_000

await withFolder(async (folder) => {
  const postgres = await Postgres.start(folder)
  const redis = await Redis.start(folder)
  const env = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    REFRESH_GRACE: `${graceMillis}ms`,
    PUBLIC_URL: "http://localhost:8080"
  }
  Joy.run("source", ["migrate"], folder, env)
  Joy.run("source", ["keys", "init"], folder, env)
  const create = ["admin", "create", "--username", "admin", "--email", "admin@example.org", "--password-stdin"]
  Joy.run("source", create, folder, env, `${password}\n`)
  const servers = [await Joy.start("source", "serve", folder, env), await Joy.start("source", "serve", folder, env)]

  console.log(`${races} races, seed ${seed} (the same again with --seed ${seed})`)
  const began = performance.now()
  let told = began
  const verdict = await Effect.gen(function* () {
    return yield* RefreshRaces.run({
      servers: servers.map(({ url }) => url),
      sql: yield* SqlClient.SqlClient,
      identifier: "admin",
      password,
      graceMillis,
      races,
      seed,
      onWrong: (what) => console.log(`WRONG ${what}`),
      onRace: ({ callers, races, wrong }) => {
        if (performance.now() - told < 5_000) return
        told = performance.now()
        console.log(`${Math.round((told - began) / 1000)} s: ${races} races, ${callers} callers, ${wrong.length} wrong`)
      }
    })
  }).pipe(
    Effect.provide(Database.layerFromUrl({ url: Redacted.make(postgres.url), maxConnections: 4 })),
    Effect.runPromise
  )

  for (const server of servers) await server.stop()
  redis.stop()
  await postgres.stop()

  console.log(
    [
      `races      ${verdict.races} in ${verdict.families} families, ${Math.round((performance.now() - began) / 1000)} s`,
      `callers    ${verdict.callers}; answers lost ${verdict.lost}; successors given after the grace ${verdict.late}`,
      `replays    ${verdict.ended} families ended by one, of ${verdict.families}`,
      `worst      ${Math.round(verdict.worstMillis)} ms for an answer`,
      `wrong      ${verdict.wrong.length}`
    ].join("\n")
  )
  if (verdict.wrong.length > 0 || verdict.ended !== verdict.families) process.exitCode = 1
})

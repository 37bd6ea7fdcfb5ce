import { mkdirSync } from "node:fs"
import { join } from "node:path"

import { Client } from "pg"

import { progress } from "../Figures.ts"
import { type Body, expect } from "../Http.ts"
import * as Joy from "../Joy.ts"
import * as Library from "../Library.ts"
import { freePort } from "../Port.ts"
import * as Postgres from "../Postgres.ts"
import * as Redis from "../Redis.ts"
import * as Scripts from "../Scripts.ts"
import { compare } from "./compare.ts"
import type { Settings } from "./server.ts"

/** Joy and its rival side by side: one Postgres, one Redis, one key file, the same accounts, sessions and items. */

const password = "a tolerable phrase 42"
const comparedItems = 5
const knownItems = 2048

export const set = async (folder: string, { items, sessions: count }: { items: number; sessions: number }) => {
  progress("Building the bundle")
  Joy.build()
  mkdirSync(join(folder, "data", "media"), { recursive: true })
  const postgres = await Postgres.start(folder)
  const redis = await Redis.start(folder)
  const theirSettings: Settings = {
    databaseUrl: postgres.url,
    redisUrl: redis.url,
    keysFile: join(folder, "keys.json"),
    issuer: `http://localhost:${await freePort()}`,
    accessTokenSeconds: 3600
  }
  const settings = {
    DATABASE_URL: postgres.url,
    REDIS_URL: redis.url,
    AUTH_KEYS_FILE: theirSettings.keysFile,
    PUBLIC_URL: theirSettings.issuer,
    ACCESS_TOKEN_TTL: "1h"
  }
  Joy.run("bundle", ["migrate"], folder, settings)
  Joy.run("bundle", ["keys", "init"], folder, settings)
  const joy = await Joy.start("bundle", "serve", folder, settings)
  const rival = await Scripts.serve("fastify/server", [JSON.stringify(theirSettings)])
  const theirUrl = `http://127.0.0.1:${rival.port}`

  progress("Making accounts, sessions and items")
  const register = (username: string) =>
    expect(201, joy.url, "POST", "/auth/register", {
      body: { username, email: `${username}@example.org`, password }
    })
  const viewer = await register("viewer")
  const other = await register("other")
  const { key } = await expect(201, joy.url, "POST", "/api-keys", {
    token: viewer.accessToken,
    body: { name: "bench", permissions: ["media:read"] }
  })
  const sessions: Array<Body> = []
  while (sessions.length < count) {
    sessions.push(await expect(200, joy.url, "POST", "/auth/login", { body: { identifier: "viewer", password } }))
  }
  const client = new Client({ connectionString: postgres.url })
  await client.connect()
  await Library.addItems(client, items, viewer.user.id, other.user.id)
  const idsOf = async (condition: string, limit: number) => {
    const { rows } = await client.query<{ id: string }>(
      `SELECT id FROM media_items WHERE ${condition} ORDER BY md5(id::text) LIMIT ${limit}`
    )
    return rows.map(({ id }) => id)
  }
  const ids = await idsOf("visibility = 'shared'", knownItems)
  const [failed = ""] = await idsOf("visibility = 'shared' AND status = 'failed'", 1)
  const [own = ""] = await idsOf(`user_id = '${viewer.user.id}'`, 1)
  const [hidden = ""] = await idsOf(`user_id = '${other.user.id}'`, 1)
  await client.end()

  progress("Comparing the answers")
  await compare(
    { ours: joy.url, theirs: theirUrl },
    {
      token: viewer.accessToken,
      key,
      refreshToken: viewer.refreshToken,
      ids: [...ids.slice(0, comparedItems), failed, own],
      hidden
    }
  )

  return {
    servers: {
      ours: { pid: joy.pid, port: Number(new URL(joy.url).port) },
      theirs: { pid: rival.pid, port: rival.port }
    },
    postgresPid: postgres.pid,
    sessions,
    /** An API key of the user whose sessions they are. */
    key,
    /** Items that this user sees. */
    ids,
    stop: async () => {
      await joy.stop()
      rival.stop()
      redis.stop()
      await postgres.stop()
    }
  }
}

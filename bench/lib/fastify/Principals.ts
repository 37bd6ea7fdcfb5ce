import { createHash } from "node:crypto"

import type { Redis } from "ioredis"

import type { AccessTokens, Token } from "./AccessTokens.ts"
import type { Database } from "./Database.ts"
import { unauthenticated } from "./Problem.ts"

/** Who makes a request: by an access token whose session lives, or by an API key. */
export interface Principal {
  readonly userId: string
  readonly permissions: ReadonlySet<string>
}

interface Session {
  readonly userId: string
  readonly permissions: ReadonlyArray<string>
}

interface SessionRow {
  readonly id: string
  readonly user_id: string
  readonly lives_millis: number
  readonly permissions: ReadonlyArray<string>
}

interface KeyRow {
  readonly id: string
  readonly user_id: string
  readonly permissions: ReadonlyArray<string>
  readonly granted: ReadonlyArray<string>
  readonly touch: boolean
}

const prefix = "rival:session:"
const entryTtlMillis = 60_000

/** Those of the routes that there are here; `*` is all of them. */
const expand = (granted: ReadonlyArray<string>): ReadonlySet<string> =>
  new Set(granted.includes("*") ? ["media:read", "media:write"] : granted)

const granted = (user: string) => `ARRAY(
  SELECT DISTINCT p.permission
  FROM user_roles ur JOIN roles r ON r.id = ur.role_id CROSS JOIN unnest(r.permissions) AS p (permission)
  WHERE ur.user_id = ${user}
)`

const liveSessions = `
  SELECT s.id, s.user_id,
    (extract(epoch FROM least(s.expires_at, s.idle_expires_at) - now()) * 1000)::float8 AS lives_millis,
    ${granted("s.user_id")} AS permissions
  FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = ANY($1::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now()
    AND u.disabled_at IS NULL`

const liveKey = `
  SELECT k.id, k.user_id, k.permissions, ${granted("k.user_id")} AS granted,
    coalesce(k.last_used_at < now() - interval '1 minute', true) AS touch
  FROM api_keys k JOIN users u ON u.id = k.user_id
  WHERE k.key_hash = $1 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND u.disabled_at IS NULL`

const touchKey = `
  UPDATE api_keys SET last_used_at = now()
  WHERE id = $1 AND coalesce(last_used_at < now() - interval '1 minute', true)`

const keyShape = /^joy_[\w-]{43}$/

export const make = (database: Database, redis: Redis, tokens: AccessTokens) => {
  /** What Redis does not know is read from the database, and told to Redis unless it was marked as ended meanwhile. */
  const readThrough = async (ids: ReadonlyArray<string>, found: Map<string, Session>) => {
    const rows = await database.read<SessionRow>(liveSessions, [ids])
    const puts = redis.pipeline()
    for (const row of rows) {
      const session = { userId: row.user_id, permissions: row.permissions }
      found.set(row.id, session)
      const ttl = Math.floor(Math.min(row.lives_millis, entryTtlMillis))
      if (ttl >= 1) puts.set(prefix + row.id, JSON.stringify(session), "PX", ttl, "NX")
    }
    if (rows.length > 0) await puts.exec()
  }

  const lookUpAll = async (ids: ReadonlyArray<string>) => {
    const found = new Map<string, Session>()
    const texts = await redis.mget(ids.map((id) => prefix + id))
    const unknown: Array<string> = []
    ids.forEach((id, at) => {
      const text = texts[at]
      if (text === null || text === undefined) unknown.push(id)
      else if (text !== "ended") found.set(id, JSON.parse(text))
    })
    if (unknown.length > 0) await readThrough(unknown, found)
    return found
  }

  let batch: { readonly ids: Set<string>; readonly answer: Promise<Map<string, Session>> } | undefined
  /** All that ask in one turn of the event loop are answered by one MGET. */
  const lookUp = async (id: string) => {
    if (batch === undefined) {
      const ids = new Set<string>()
      const answer = new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        batch = undefined
        return lookUpAll([...ids])
      })
      batch = { ids, answer }
    }
    batch.ids.add(id)
    return (await batch.answer).get(id)
  }

  // Few different sets of permissions are in use, so each is written out once.
  const expanded = new Map<string, ReadonlySet<string>>()
  const permissionsOf = (names: ReadonlyArray<string>) => {
    const key = names.join(" ")
    let permissions = expanded.get(key)
    if (permissions === undefined) expanded.set(key, (permissions = expand(names)))
    return permissions
  }

  const bySession = async (token: Token | undefined): Promise<Principal> => {
    const session = token && (await lookUp(token.sessionId))
    if (session === undefined || session.userId !== token?.userId) throw unauthenticated()
    return { userId: token.userId, permissions: permissionsOf(session.permissions) }
  }

  const byKey = async (key: string): Promise<Principal> => {
    if (!keyShape.test(key)) throw unauthenticated()
    const [row] = await database.read<KeyRow>(liveKey, [createHash("sha256").update(key).digest()])
    if (row === undefined) throw unauthenticated()
    if (row.touch) await database.write(touchKey, [row.id])
    const held = permissionsOf(row.granted)
    return {
      userId: row.user_id,
      permissions: new Set([...permissionsOf(row.permissions)].filter((name) => held.has(name)))
    }
  }

  return {
    of: (authorization: string | undefined): Promise<Principal> => {
      const credential = /^bearer (\S+)$/i.exec(authorization ?? "")?.[1] ?? ""
      return credential.startsWith("joy_") ? byKey(credential) : bySession(tokens.verify(credential))
    }
  }
}
export type Principals = ReturnType<typeof make>

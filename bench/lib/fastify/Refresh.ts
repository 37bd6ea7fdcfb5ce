import { createHash, createHmac, timingSafeEqual } from "node:crypto"

import type { AccessTokens } from "./AccessTokens.ts"
import type { Database } from "./Database.ts"
import type { Keys } from "./Keys.ts"
import { Problem } from "./Problem.ts"

/** Rotation of refresh tokens: joy's secrets, joy's conditional UPDATE, and the same successor within the grace. */
export const refreshBody = {
  type: "object",
  required: ["refreshToken"],
  properties: { refreshToken: { type: "string", maxLength: 256 } }
} as const

interface Found {
  readonly user_id: string
  readonly counter: number
  readonly secret_key_id: string
  readonly token_hash: Buffer
  readonly previous_token_hash: Buffer | null
  readonly refresh_expires_at: string
  readonly live: boolean
  readonly within_grace: boolean
  readonly successor_unused: boolean
}

interface User {
  readonly id: string
  readonly username: string
  readonly email: string | null
  readonly email_verified: boolean
  readonly display_name: string | null
  readonly disabled: boolean
  readonly created_at: string
  readonly updated_at: string
  readonly roles: ReadonlyArray<string>
}

const find = `
  SELECT s.user_id, s.counter, s.secret_key_id, s.token_hash, s.previous_token_hash,
    least(s.expires_at, s.idle_expires_at) AS refresh_expires_at,
    s.revoked_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now() AND u.disabled_at IS NULL AS live,
    s.rotated_at + 10 * interval '1 second' >= now() AS within_grace,
    s.last_used_at <= s.rotated_at AS successor_unused
  FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.id = $1`

const advance = `
  UPDATE sessions s SET
    token_hash = $3, previous_token_hash = token_hash, counter = counter + 1,
    rotated_at = now(), last_used_at = now(), updated_at = now(),
    idle_expires_at = least(now() + 30 * interval '1 day', expires_at),
    ip = coalesce($4, ip), user_agent = coalesce($5, user_agent)
  WHERE id = $1 AND token_hash = $2 AND revoked_at IS NULL AND expires_at > now() AND idle_expires_at > now()
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = s.user_id AND u.disabled_at IS NULL)
  RETURNING least(expires_at, idle_expires_at) AS refresh_expires_at`

const endFamily = `
  UPDATE sessions SET revoked_at = now(), revoked_reason = 'reuse', updated_at = now()
  WHERE id = $1 AND revoked_at IS NULL`

const userById = `
  SELECT u.id, u.username, u.email, u.email_verified, u.display_name, u.disabled_at IS NOT NULL AS disabled, u.created_at,
    u.updated_at, ARRAY(
      SELECT r.name FROM user_roles ur JOIN roles r ON r.id = ur.role_id WHERE ur.user_id = u.id ORDER BY r.name
    ) AS roles
  FROM users u WHERE u.id = $1`

const shape = /^([0-9a-f-]{36})\.([\w-]{43})$/
const counterBytes = 4
const secretBytes = 32

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest()
const ended = () => new Problem(401, "invalid-refresh-token", "This session has ended")

export interface Facts {
  readonly ip: string
  readonly userAgent: string | null
}

export const make = (database: Database, keys: Keys, tokens: AccessTokens) => {
  const derive = (keyId: string, sessionId: string, counter: number) => {
    const key = keys.refresh.get(keyId)
    if (key === undefined) throw ended()
    const secret = Buffer.alloc(secretBytes)
    secret.writeUInt32BE(counter)
    createHmac("sha256", key)
      .update(`refresh\0${sessionId}\0${counter}`)
      .digest()
      .copy(secret, counterBytes, 0, secretBytes - counterBytes)
    return secret
  }

  const answer = async (sessionId: string, found: Found, counter: number, secret: Buffer, refreshExpiresAt: string) => {
    const [user] = await database.read<User>(userById, [found.user_id])
    if (user === undefined) throw ended()
    const { accessToken, expiresIn } = tokens.issue({ userId: user.id, sessionId, counter })
    return {
      user: {
        id: user.id,
        username: user.username,
        email: user.email,
        emailVerified: user.email_verified,
        displayName: user.display_name,
        roles: user.roles,
        disabled: user.disabled,
        createdAt: user.created_at,
        updatedAt: user.updated_at
      },
      sessionId,
      accessToken,
      tokenType: "Bearer",
      expiresIn,
      refreshToken: `${sessionId}.${secret.toString("base64url")}`,
      refreshExpiresAt
    }
  }

  const exchange = async (token: string, facts: Facts, attempts = 3): Promise<Awaited<ReturnType<typeof answer>>> => {
    const [, sessionId = "", text = ""] = shape.exec(token) ?? []
    const shown = Buffer.from(text, "base64url")
    if (shown.length !== secretBytes) throw ended()
    const counter = shown.readUInt32BE()
    const [found] = await database.read<Found>(find, [sessionId])
    if (found === undefined || !found.live) throw ended()
    if (!timingSafeEqual(derive(found.secret_key_id, sessionId, counter), shown)) throw ended()
    const hash = sha256(shown)

    if (counter === found.counter && found.token_hash.equals(hash)) {
      const next = derive(found.secret_key_id, sessionId, counter + 1)
      const [rotated] = await database.write<{ refresh_expires_at: string }>(advance, [
        sessionId,
        hash,
        sha256(next),
        facts.ip,
        facts.userAgent
      ])
      if (rotated !== undefined) return answer(sessionId, found, counter + 1, next, rotated.refresh_expires_at)
      if (attempts > 1) return exchange(token, facts, attempts - 1)
      throw ended()
    }
    const isParent = counter === found.counter - 1 && found.previous_token_hash?.equals(hash) === true
    if (isParent && (found.within_grace || found.successor_unused)) {
      const secret = derive(found.secret_key_id, sessionId, found.counter)
      return answer(sessionId, found, found.counter, secret, found.refresh_expires_at)
    }
    if (counter >= found.counter) throw ended()
    await database.write(endFamily, [sessionId])
    throw new Problem(401, "refresh-token-reused", "This refresh token was used before; the session was ended")
  }

  return { exchange }
}

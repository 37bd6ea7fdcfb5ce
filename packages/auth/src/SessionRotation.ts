import { timingSafeEqual } from "node:crypto"

import { HotReads } from "@joy/domain/HotReads"
import { UserId } from "@joy/domain/Ids"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { InvalidRefreshToken, RefreshTokenReused } from "@joy/domain/Session"
import { Timestamp } from "@joy/domain/Timestamp"
import { User } from "@joy/domain/User"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import * as AccountRows from "./AccountRows.ts"
import { AuditLog } from "./AuditLog.ts"
import { AuthConfig } from "./AuthConfig.ts"
import { Keys, type SecretKey } from "./Keys.ts"
import type { OpenSession } from "./OpenSession.ts"
import * as RefreshSecret from "./RefreshSecret.ts"
import { clean } from "./RequestFacts.ts"
import { Revocations } from "./Revocations.ts"
import * as SharedRuns from "./SharedRuns.ts"

/** A session as a refresh finds it. Times are compared by the database's clock. */
const Found = Schema.Struct({
  userId: UserId,
  counter: Schema.Int,
  secretKeyId: Schema.String,
  tokenHash: Schema.Uint8Array,
  previousTokenHash: Schema.NullOr(Schema.Uint8Array),
  /** Tokens from this number on were spent within the grace, if any were. */
  recentCounter: Schema.NullOr(Schema.Int),
  refreshExpiresAt: Timestamp,
  live: Schema.Boolean,
  withinGrace: Schema.Boolean,
  successorUnused: Schema.Boolean
})

const Rotated = Schema.Struct({ ...User.fields, refreshExpiresAt: Timestamp })

const equal = (a: Uint8Array | null, b: Uint8Array) => a !== null && a.length === b.length && timingSafeEqual(a, b)

const ended = Effect.fail(new InvalidRefreshToken({}))

/**
 * Exchanges refresh tokens. A token that is current is replaced by its successor, in one UPDATE that names it, so of any
 * number of callers with one token one rotates and the others find it rotated. A spent token gets the current one, the
 * very same, in two cases: within the grace after it was spent (callers side by side, tabs, a request that was long on its
 * way), and later if it is the one before the current one and that is unused (its answer got lost). "Unused" is
 * `last_used_at <= rotated_at`: it was not exchanged, else it would not be current any more, and no access token that was
 * issued with it was ever shown, which `SessionUse` writes down. In every other case a spent token was shown by somebody
 * who should have its successor: it was copied. Nobody can tell who is the thief, so the session ends for both (RFC 9700,
 * 4.14.2; it knows no grace, which all services of some size have).
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const hot = yield* HotReads
  const keys = yield* Keys
  const audit = yield* AuditLog
  const revocations = yield* Revocations
  const { refreshGrace, sessionIdleTtl } = yield* AuthConfig
  const grace = sql`${Duration.toSeconds(refreshGrace)}::float8 * interval '1 second'`
  const idleSeconds = Duration.toSeconds(sessionIdleTtl)
  // Who waits for the row waits here, and not with a connection that others need.
  const share = yield* SharedRuns.make<string, OpenSession, InvalidRefreshToken | RefreshTokenReused>()

  const find = SqlSchema.findOneOption({
    Request: Schema.String,
    Result: Found,
    execute: (id) => hot`
      SELECT s.user_id AS "userId", s.counter, s.secret_key_id AS "secretKeyId", s.token_hash AS "tokenHash",
        s.previous_token_hash AS "previousTokenHash",
        least(s.expires_at, s.idle_expires_at) AS "refreshExpiresAt",
        s.revoked_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now() AND u.disabled_at IS NULL AS live,
        CASE WHEN s.recent_since + ${grace} >= now() THEN s.recent_counter END AS "recentCounter",
        s.rotated_at + ${grace} >= now() AS "withinGrace",
        s.last_used_at <= s.rotated_at AS "successorUnused"
      FROM sessions s JOIN users u ON u.id = s.user_id
      WHERE s.id = ${id}`
  })

  const advance = SqlSchema.findOneOption({
    Request: Schema.Struct({
      id: Schema.String,
      keyId: Schema.String,
      counter: Schema.Int,
      from: Schema.Uint8Array,
      to: Schema.Uint8Array,
      ip: Schema.NullOr(Schema.String),
      userAgent: Schema.NullOr(Schema.String)
    }),
    Result: Rotated,
    execute: ({ counter, from, id, ip, keyId, to, userAgent }) => sql`
      UPDATE sessions s SET
        token_hash = ${to}, previous_token_hash = token_hash, counter = counter + 1,
        (recent_counter, recent_since) = (
          SELECT CASE WHEN keeps THEN recent_counter WHEN follows THEN counter - 1 ELSE counter END,
            CASE WHEN keeps THEN recent_since WHEN follows THEN rotated_at ELSE now() END
          FROM (SELECT recent_since + ${grace} >= now() AS keeps,
            counter > 0 AND rotated_at + ${grace} >= now() AS follows) AS spans
        ),
        rotated_at = now(), last_used_at = now(), updated_at = now(),
        idle_expires_at = least(now() + ${idleSeconds}::float8 * interval '1 second', expires_at),
        ip = coalesce(${ip}, ip), user_agent = coalesce(${userAgent}, user_agent)
      FROM users u
      WHERE s.id = ${id} AND s.secret_key_id = ${keyId} AND s.counter = ${counter} AND s.token_hash = ${from}
        AND s.revoked_at IS NULL AND s.expires_at > now() AND s.idle_expires_at > now()
        AND u.id = s.user_id AND u.disabled_at IS NULL
      RETURNING ${AccountRows.columnsOf(sql)}, least(s.expires_at, s.idle_expires_at) AS refresh_expires_at`
  })

  /** Puts the successor in the place of a token that is current, as nearly every token is that is shown. */
  const rotateCurrent = Effect.fnUntraced(function* (
    { bytes, counter, sessionId }: RefreshSecret.RefreshSecret,
    key: SecretKey,
    facts: RequestFacts
  ) {
    const next = RefreshSecret.derive(key, sessionId, counter + 1)
    const from = RefreshSecret.hash(bytes)
    const rotated = yield* Effect.orDie(
      advance({ id: sessionId, keyId: key.id, counter, from, to: next.hash, ...clean(facts) })
    )
    return Option.map(rotated, ({ refreshExpiresAt, ...user }): OpenSession => ({
      userId: user.id,
      sessionId,
      counter: counter + 1,
      refreshToken: next.token,
      refreshExpiresAt,
      user
    }))
  })

  /** Ends the family of a token that was copied. */
  const endFamily = Effect.fnUntraced(function* (
    { sessionId, counter }: RefreshSecret.RefreshSecret,
    found: typeof Found.Type,
    facts: RequestFacts
  ) {
    const rows = yield* sql`
      UPDATE sessions SET revoked_at = now(), revoked_reason = 'reuse', updated_at = now()
      WHERE id = ${sessionId} AND revoked_at IS NULL RETURNING id`
    yield* revocations.end([sessionId])
    if (rows.length === 0) return
    yield* audit.append({
      action: "session.refresh-reused",
      subjectId: found.userId,
      sessionId,
      facts,
      detail: { shown: counter, current: found.counter }
    })
    yield* Effect.logWarning("A spent refresh token was used; its session was ended").pipe(
      Effect.annotateLogs({ sessionId, userId: found.userId })
    )
  }, sql.withTransaction)

  const exchange = Effect.fnUntraced(function* (
    secret: RefreshSecret.RefreshSecret,
    facts: RequestFacts,
    attempts: number
  ): Effect.fn.Return<OpenSession, InvalidRefreshToken | RefreshTokenReused> {
    const { counter, sessionId } = secret
    // What was made up ends no session: an id alone is no secret.
    const key = keys.refreshKeys().find((key) => RefreshSecret.isGenuine(key, secret))
    if (key === undefined) return yield* ended
    const rotated = yield* rotateCurrent(secret, key, facts)
    if (Option.isSome(rotated)) return rotated.value

    const found = Option.getOrUndefined(yield* Effect.orDie(find(sessionId)))
    if (found === undefined || found.secretKeyId !== key.id || !found.live) return yield* ended
    const shown = RefreshSecret.hash(secret.bytes)
    if (counter === found.counter && equal(found.tokenHash, shown)) {
      // A moment ago it was not: its user was disabled, say. Once more.
      return attempts > 1 ? yield* exchange(secret, facts, attempts - 1) : yield* ended
    }

    const isParent = counter === found.counter - 1 && equal(found.previousTokenHash, shown)
    const isRecent = found.recentCounter !== null && counter >= found.recentCounter && counter < found.counter
    if (isRecent || (isParent && (found.withinGrace || found.successorUnused))) {
      const { refreshExpiresAt, userId } = found
      const refreshToken = RefreshSecret.derive(key, sessionId, found.counter).token
      return { userId, sessionId, counter: found.counter, refreshToken, refreshExpiresAt }
    }

    // A genuine secret that the database has not come to yet: it was restored from a backup. Nothing was copied.
    if (counter >= found.counter) return yield* ended
    yield* Effect.orDie(endFamily(secret, found, facts))
    return yield* new RefreshTokenReused({})
  })

  return {
    /** See `Sessions.rotate`. */
    rotate: Effect.fn("Sessions.rotate")(function* (refreshToken: Redacted.Redacted, facts: RequestFacts) {
      const secret = RefreshSecret.parse(refreshToken)
      if (secret === undefined) return yield* ended
      return yield* share(Redacted.value(refreshToken), exchange(secret, facts, 3))
    }),
    /** The live session that a token was given out for, be it spent by now: enough to end the session. */
    sessionOf: Effect.fnUntraced(function* (refreshToken: Redacted.Redacted) {
      const secret = RefreshSecret.parse(refreshToken)
      if (secret === undefined) return yield* ended
      const found = Option.getOrUndefined(yield* Effect.orDie(find(secret.sessionId)))
      const key = keys.refreshKeys().find(({ id }) => id === found?.secretKeyId)
      if (found === undefined || key === undefined || !RefreshSecret.isGenuine(key, secret)) return yield* ended
      return found.live && secret.counter <= found.counter ? secret.sessionId : yield* ended
    })
  }
})

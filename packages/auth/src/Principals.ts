import type { Principal } from "@joy/domain/CurrentPrincipal"
import { HotReads } from "@joy/domain/HotReads"
import type { SessionId } from "@joy/domain/Ids"
import { expand, GrantedPermission, type Permission } from "@joy/domain/Permission"
import { Unauthenticated } from "@joy/domain/Problem"
import { SessionLiveness } from "@joy/domain/SessionLiveness"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"

import type { TokenSubject } from "./AccessTokens.ts"
import { Revocations } from "./Revocations.ts"
import { type IndexEntry, SessionIndex } from "./SessionIndex.ts"
import { SessionUse } from "./SessionUse.ts"

/** What the database says about a live session. A hot read: it comes typed from the driver and is not decoded. */
interface LiveRow extends IndexEntry {
  readonly sessionId: SessionId
  readonly livesMillis: number
}

type Found = IndexEntry | null

const isGranted = Schema.is(GrantedPermission)

export class Principals extends Context.Service<
  Principals,
  {
    /**
     * Who a verified access token stands for at this moment. Fails when its session has ended or run out, or its user
     * is disabled. What asks in one turn of the event loop is answered by one read.
     */
    readonly principalOf: (token: TokenSubject) => Effect.Effect<Principal, Unauthenticated>
    /** Whether a session lives: false from the moment that ending it was answered. */
    readonly isLive: (sessionId: SessionId) => Effect.Effect<boolean>
    /** Who sessions stand for at this moment, without those that have ended. That they are asked about is no use of them. */
    readonly standing: (sessionIds: ReadonlyArray<SessionId>) => Effect.Effect<ReadonlyMap<SessionId, Principal>>
  }
>()("@joy/auth/Principals") {
  static readonly layerNoDeps: Layer.Layer<Principals, never, HotReads | Revocations | SessionIndex | SessionUse> =
    Layer.effect(
      Principals,
      Effect.gen(function* () {
        const sql = yield* HotReads
        const revocations = yield* Revocations
        const index = yield* SessionIndex
        const use = yield* SessionUse
        const fork = yield* FiberSet.makeRuntime()

        const readDatabase = (ids: ReadonlyArray<SessionId>) =>
          sql<LiveRow>`
            SELECT s.id AS "sessionId", s.user_id AS "userId", (extract(epoch FROM now()) * 1000)::float8 AS "readAt",
              (extract(epoch FROM least(s.expires_at, s.idle_expires_at) - now()) * 1000)::float8 AS "livesMillis",
              ARRAY(
                SELECT DISTINCT p.permission
                FROM user_roles ur JOIN roles r ON r.id = ur.role_id CROSS JOIN unnest(r.permissions) AS p (permission)
                WHERE ur.user_id = s.user_id
              ) AS permissions
            FROM sessions s JOIN users u ON u.id = s.user_id
            WHERE s.id = ANY(${ids}::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > now()
              AND s.idle_expires_at > now() AND u.disabled_at IS NULL`.pipe(Effect.orDie)

        /** Reads what the index does not know, and tells it. */
        const readThrough = Effect.fnUntraced(function* (ids: ReadonlyArray<SessionId>, found: Map<SessionId, Found>) {
          const rows = yield* readDatabase(ids)
          for (const row of rows) found.set(row.sessionId, row)
          if (revocations.hearsSince() === null) return
          const fresh = rows.filter(
            (row) => !revocations.hasEnded(row.sessionId) && !revocations.hasChanged(row.userId)
          )
          if (fresh.length > 0) yield* index.put(fresh)
        })

        /** Looks sessions up; `null` for those that don't live. */
        const lookUpAll = Effect.fnUntraced(function* (ids: ReadonlyArray<SessionId>) {
          const found = new Map<SessionId, Found>()
          const since = revocations.hearsSince()
          const unknown: Array<SessionId> = []
          if (since !== null) {
            const answers = yield* index.get(ids, since)
            ids.forEach((id, at) => {
              const answer = answers[at]
              if (answer === "ended") return
              // Who was promoted or demoted a moment ago is read from the database until the old entry has run out.
              if (answer === undefined || revocations.hasChanged(answer.userId)) unknown.push(id)
              else found.set(id, answer)
            })
          } else {
            unknown.push(...ids)
          }
          if (unknown.length > 0) yield* readThrough(unknown, found)
          return found
        })

        let waiting: Map<SessionId, Array<(exit: Exit.Exit<Found>) => void>> | undefined

        const answerAll = () => {
          const batch = waiting
          waiting = undefined
          if (batch === undefined) return
          const ids = [...batch.keys()].filter((id) => !revocations.hasEnded(id))
          fork(
            Effect.onExit(ids.length === 0 ? Effect.succeed(new Map<SessionId, Found>()) : lookUpAll(ids), (exit) =>
              Effect.sync(() => {
                for (const [id, resumes] of batch) {
                  // Asked again: the end may have been announced while the answer was on its way.
                  const answer = Exit.map(exit, (found) => (revocations.hasEnded(id) ? null : (found.get(id) ?? null)))
                  for (const resume of resumes) resume(answer)
                }
              })
            )
          )
        }

        const lookUp = (id: SessionId): Effect.Effect<Found> =>
          Effect.callback((resume) => {
            if (waiting === undefined) {
              waiting = new Map()
              setImmediate(answerAll)
            }
            const resumes = waiting.get(id)
            if (resumes === undefined) waiting.set(id, [resume])
            else resumes.push(resume)
          })

        // Few different sets of permissions are in use, so each is written out once.
        const expanded = new Map<string, ReadonlySet<Permission>>()
        const permissionsOf = (granted: ReadonlyArray<string>): ReadonlySet<Permission> => {
          const name = granted.join(" ")
          const known = expanded.get(name)
          if (known !== undefined) return known
          if (expanded.size > 1000) expanded.clear()
          // A database that a later version wrote may grant what this one does not know.
          const permissions = expand(granted.filter(isGranted))
          expanded.set(name, permissions)
          return permissions
        }

        const principalFrom = (sessionId: SessionId, { permissions, userId }: IndexEntry): Principal => ({
          userId,
          credential: { kind: "session", sessionId },
          permissions: permissionsOf(permissions)
        })

        const standing = Effect.fn("Principals.standing")(function* (sessionIds: ReadonlyArray<SessionId>) {
          const found = yield* lookUpAll(sessionIds.filter((id) => !revocations.hasEnded(id)))
          const principals = new Map<SessionId, Principal>()
          // Asked again: the end may have been announced while the answer was on its way.
          for (const [id, entry] of found) {
            if (entry !== null && !revocations.hasEnded(id)) principals.set(id, principalFrom(id, entry))
          }
          return principals
        })

        const unauthenticated = Effect.fail(new Unauthenticated({}))

        const principalOf = (token: TokenSubject): Effect.Effect<Principal, Unauthenticated> =>
          Effect.flatMap(lookUp(token.sessionId), (found) => {
            if (found === null || found.userId !== token.userId) return unauthenticated
            const principal = principalFrom(token.sessionId, found)
            return Clock.clockWith((clock) => {
              use.seen(token.sessionId, token.counter, clock.currentTimeMillisUnsafe())
              return Effect.succeed(principal)
            })
          })

        return Principals.of({
          principalOf,
          isLive: (id) => Effect.map(lookUp(id), (found) => found !== null),
          standing
        })
      })
    )

  /** The domain's port, for what acts for a session after its request. */
  static readonly layerSessionLiveness: Layer.Layer<SessionLiveness, never, Principals> = Layer.effect(
    SessionLiveness,
    Effect.map(Principals, ({ isLive }) => ({ isLive }))
  )
}

import type { SessionId, UserId } from "@joy/domain/Ids"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

/** What the index knows of a live session. */
export interface IndexEntry {
  readonly userId: UserId
  /** As the roles grant them: `*` is not written out. */
  readonly permissions: ReadonlyArray<string>
  /** When the database said so, by its own clock, in milliseconds. */
  readonly readAt: number
}

/** An entry, that the session has ended, or nothing. */
export type IndexAnswer = IndexEntry | "ended" | undefined

export interface NewEntry extends IndexEntry {
  readonly sessionId: SessionId
  /** Milliseconds that the session has left; entries live for as long, and never longer than `entryTtlMillis`. */
  readonly livesMillis: number
}

/**
 * No entry is older than this, so whatever goes wrong with the index is over after it. It costs one read of the
 * database per session and minute.
 */
export const entryTtlMillis = 60_000

/**
 * A fast copy of what Postgres says about sessions. It may forget anything at any time. It must never bring back what
 * was ended: `put` loses against an `end` that came before it. Its failures are its own: it then knows nothing.
 */
export class SessionIndex extends Context.Service<
  SessionIndex,
  {
    /** Answers in the order of the ids. Entries that were read before `since` are left out. */
    readonly get: (ids: ReadonlyArray<SessionId>, since: number) => Effect.Effect<ReadonlyArray<IndexAnswer>>
    /** Stores what was read from the database. */
    readonly put: (entries: ReadonlyArray<NewEntry>) => Effect.Effect<void>
    /** Notes that sessions have ended. */
    readonly end: (ids: ReadonlyArray<SessionId>) => Effect.Effect<void>
  }
>()("@joy/auth/SessionIndex") {
  /** Knows nothing: every answer comes from the database. For tools, and where several processes share no Redis. */
  static readonly layerNone: Layer.Layer<SessionIndex> = Layer.succeed(SessionIndex, {
    get: (ids) => Effect.succeed(ids.map(() => undefined)),
    put: () => Effect.void,
    end: () => Effect.void
  })

  /**
   * In this process. Where several processes share a database, each has a copy of its own and hears of ends through
   * Postgres, before they are answered (see `Announcements.ts`).
   */
  static readonly layerMemory: Layer.Layer<SessionIndex> = Layer.sync(SessionIndex, () => {
    const capacity = 100_000
    const entries = new Map<SessionId, { readonly entry: IndexEntry; readonly until: number }>()
    return {
      get: (ids, since) =>
        Clock.clockWith((clock) => {
          const now = clock.currentTimeMillisUnsafe()
          return Effect.succeed(
            ids.map((id) => {
              const found = entries.get(id)
              return found !== undefined && found.entry.readAt >= since && found.until > now ? found.entry : undefined
            })
          )
        }),
      put: (added) =>
        Effect.map(Clock.currentTimeMillis, (now) => {
          for (const { livesMillis, sessionId, ...entry } of added) {
            // Oldest first, so that what has run out is found at the front.
            entries.delete(sessionId)
            if (livesMillis > 0) {
              entries.set(sessionId, { entry, until: now + Math.min(livesMillis, entryTtlMillis) })
            }
          }
          for (const [id, { until }] of entries) {
            if (until > now && entries.size <= capacity) break
            entries.delete(id)
          }
        }),
      // Nothing to remember: in this process the announcements' own set comes first (see `Revocations`).
      end: (ids) =>
        Effect.sync(() => {
          for (const id of ids) entries.delete(id)
        })
    }
  })
}

import { UserId } from "@joy/domain/Ids"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"

import * as RedisGuard from "./RedisGuard.ts"
import { entryTtlMillis, type IndexAnswer, type NewEntry, SessionIndex } from "./SessionIndex.ts"

/** Also a version: entries of another form are never read. */
const prefix = "joy:session:2:"
const endedMark = "ended"

const Entry = Schema.fromJsonString(
  Schema.Struct({ userId: UserId, permissions: Schema.Array(Schema.String), readAt: Schema.Finite })
)
const decodeEntry = Schema.decodeUnknownOption(Entry)

const answer =
  (since: number) =>
  (text: string | null): IndexAnswer => {
    if (text === null) return undefined
    if (text === endedMark) return "ended"
    const entry = Option.getOrUndefined(decodeEntry(text))
    return entry !== undefined && entry.readAt >= since ? entry : undefined
  }

/**
 * Writes entries, each with its time to live in the same step. The mark of an end stays: so a read of the database that is
 * late can't bring a session back.
 */
const putScript = Redis.script(
  (entries: ReadonlyArray<NewEntry>) => [
    ...entries.map(({ sessionId }) => prefix + sessionId),
    ...entries.flatMap(({ livesMillis, permissions, readAt, userId }) => [
      JSON.stringify({ userId, permissions, readAt }),
      Math.floor(Math.min(livesMillis, entryTtlMillis))
    ])
  ],
  {
    numberOfKeys: (entries) => entries.length,
    lua: `
for i, key in ipairs(KEYS) do
  if redis.call("GET", key) ~= "ended" then
    redis.call("SET", key, ARGV[2 * i - 1], "PX", ARGV[2 * i])
  end
end
return #KEYS
`
  }
).withReturnType<number>()

/** As above for ends, which replace what is there. They outlive every entry that could have been read before. */
const endScript = Redis.script(
  (ids: ReadonlyArray<string>) => [...ids.map((id) => prefix + id), endedMark, 2 * entryTtlMillis],
  {
    numberOfKeys: (ids) => ids.length,
    lua: `
for _, key in ipairs(KEYS) do
  redis.call("SET", key, ARGV[1], "PX", ARGV[2])
end
return #KEYS
`
  }
).withReturnType<number>()

const make = Effect.gen(function* () {
  const redis = yield* Redis.Redis
  const guard = RedisGuard.make("Sessions")
  const put = redis.eval(putScript)
  const end = redis.eval(endScript)
  return SessionIndex.of({
    get: (ids, since) =>
      guard(
        redis
          .send<ReadonlyArray<string | null>>("MGET", ...ids.map((id) => prefix + id))
          .pipe(Effect.map((texts) => texts.map(answer(since)))),
        Effect.succeed(ids.map(() => undefined))
      ),
    put: (entries) => {
      // A time to live of zero or less would be an error to Redis, and none at all would be for ever.
      const living = entries.filter(({ livesMillis }) => livesMillis >= 1)
      return living.length === 0 ? Effect.void : guard(Effect.asVoid(put(living)), Effect.void)
    },
    // A mark that gets lost does no harm: every process has heard of the end before it is answered.
    end: (ids) => (ids.length === 0 ? Effect.void : guard(Effect.asVoid(end(ids)), Effect.void))
  })
})

/** In Redis, for all processes. Without Redis everything is asked of the database. */
export const layer: Layer.Layer<SessionIndex, never, Redis.Redis> = Layer.effect(SessionIndex, make)

import { UserId } from "@joy/domain/Ids"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"

import * as RedisGuard from "./RedisGuard.ts"
import { entryTtlMillis, type IndexAnswer, type NewEntry, SessionIndex } from "./SessionIndex.ts"

/** Also a version: entries of another form are never read. */
const prefix = "joy:session:1:"
const endedMark = "ended"

const Entry = Schema.fromJsonString(Schema.Struct({ userId: UserId, permissions: Schema.Array(Schema.String) }))
const decodeEntry = Schema.decodeUnknownOption(Entry)

const answer = (text: string | null): IndexAnswer => {
  if (text === null) return undefined
  return text === endedMark ? "ended" : Option.getOrUndefined(decodeEntry(text))
}

/**
 * Writes entries that are not there yet, each with its time to live in the same step. A key that holds anything, above
 * all the mark of an end, stays: so a read of the database that is late can't bring a session back.
 */
const putScript = Redis.script(
  (entries: ReadonlyArray<NewEntry>) => [
    ...entries.map(({ sessionId }) => prefix + sessionId),
    ...entries.flatMap(({ livesMillis, permissions, userId }) => [
      JSON.stringify({ userId, permissions }),
      Math.floor(Math.min(livesMillis, entryTtlMillis))
    ])
  ],
  {
    numberOfKeys: (entries) => entries.length,
    lua: `
for i, key in ipairs(KEYS) do
  redis.call("SET", key, ARGV[2 * i - 1], "PX", ARGV[2 * i], "NX")
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

export interface RedisSessionIndexOptions {
  /** See `SessionIndex.settleMillis`: longer than any entry lives. */
  readonly settleMillis: number
}

const make = Effect.fnUntraced(function* (options: RedisSessionIndexOptions) {
  const redis = yield* Redis.Redis
  const guard = RedisGuard.make("Sessions")
  const put = redis.eval(putScript)
  const end = redis.eval(endScript)
  return SessionIndex.of({
    get: (ids) =>
      guard(
        redis
          .send<ReadonlyArray<string | null>>("MGET", ...ids.map((id) => prefix + id))
          .pipe(Effect.map((texts) => texts.map(answer))),
        Effect.succeed(ids.map(() => undefined))
      ),
    put: (entries) => {
      // A time to live of zero or less would be an error to Redis, and none at all would be for ever.
      const living = entries.filter(({ livesMillis }) => livesMillis >= 1)
      return living.length === 0 ? Effect.void : guard(Effect.asVoid(put(living)), Effect.void)
    },
    // A mark that gets lost does no harm: every process has heard of the end before it is answered.
    end: (ids) => (ids.length === 0 ? Effect.void : guard(Effect.asVoid(end(ids)), Effect.void)),
    settleMillis: options.settleMillis
  })
})

export const layerWith = (options: RedisSessionIndexOptions): Layer.Layer<SessionIndex, never, Redis.Redis> =>
  Layer.effect(SessionIndex, make(options))

/** In Redis, for all processes. Without Redis everything is asked of the database. */
export const layer: Layer.Layer<SessionIndex, never, Redis.Redis> = layerWith({ settleMillis: 2 * entryTtlMillis })

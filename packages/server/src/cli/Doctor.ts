import * as KeyStore from "@joy/auth/KeyStore"
import { providersOf } from "@joy/auth/OAuthConfig"
import { OAuthProviders } from "@joy/auth/OAuthProviders"
import { Ffmpeg } from "@joy/media/Ffmpeg"
import { FfmpegMissing } from "@joy/media/MediaError"
import { newest } from "@joy/migrations/Migrations"
import { SourceStore } from "@joy/storage/ObjectStore"
import * as Cause from "effect/Cause"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redis from "effect/persistence/Redis"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { Configuration } from "../config/Configuration.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as MediaLayer from "../layers/MediaLayer.ts"
import * as OAuthLayer from "../layers/OAuthLayer.ts"
import * as StoreLayer from "../layers/StoreLayer.ts"
import * as Migrations from "../Migrations.ts"
import * as JoyRedis from "../Redis.ts"

/** Something that doctor looked at does not work. */
class Unwell extends Schema.TaggedError<Unwell>()("Unwell", { count: Schema.Finite }) {
  override get message() {
    return this.count === 1 ? "One thing needs attention." : `${this.count} things need attention.`
  }
}

/** A finding that is not right, in the words of what to do about it. */
class Finding extends Schema.TaggedError<Finding>()("Finding", { advice: Schema.String }) {
  override get message() {
    return this.advice
  }
}

const database = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const [row] = yield* sql<{ version: string }>`SELECT current_setting('server_version') AS version`
  const version = row?.version ?? "unknown"
  if (Number.parseInt(version, 10) < 15) {
    return yield* new Finding({ advice: `PostgreSQL ${version} is too old: use 15 or newer.` })
  }
  const found = yield* Migrations.current
  if (found < newest) {
    return yield* new Finding({ advice: `It is at migration ${found} of ${newest}: run "joy migrate".` })
  }
  yield* Migrations.requireCurrent
  return `PostgreSQL ${version}, migration ${found}`
}).pipe(Effect.provide(DatabaseLayer.found))

const redis = Effect.gen(function* () {
  const { redisUrl } = yield* Configuration
  if (redisUrl === null) return "not configured; limits and the session index live in the one process"
  return yield* Effect.gen(function* () {
    const service = yield* Redis.Redis
    yield* service.send("PING")
    return "it answers"
  }).pipe(
    Effect.mapError(() => new Finding({ advice: "REDIS_URL is set, but nothing answers there." })),
    Effect.provide(JoyRedis.layer(redisUrl))
  )
})

const store = Effect.gen(function* () {
  const source = yield* SourceStore
  const page = yield* source.list({ limit: 1 })
  return page.objects.length === 0 ? `${source.location}, empty` : source.location
}).pipe(Effect.provide(StoreLayer.source))

const ffmpeg = Effect.gen(function* () {
  const { tools } = yield* Ffmpeg
  for (const tool of [tools.ffmpeg, tools.ffprobe]) if (tool instanceof FfmpegMissing) return yield* tool
  return "ffmpeg and ffprobe are there"
}).pipe(Effect.provide(MediaLayer.layer))

const keys = Effect.gen(function* () {
  const { keysFile } = yield* Configuration
  const file = yield* KeyStore.load(keysFile)
  return `${keysFile}, ${file.signing.length} signing ${file.signing.length === 1 ? "key" : "keys"}`
})

const oauth = Effect.gen(function* () {
  const { oauth } = yield* Configuration
  const providers = providersOf(oauth)
  if (providers.length === 0) return "not configured; people sign in by password"
  const service = yield* OAuthProviders
  for (const provider of providers) {
    const advice = `${oauth[provider]?.issuer} does not say how to sign in there. Is it reachable from here?`
    yield* Effect.mapError(service.reach(provider), () => new Finding({ advice }))
  }
  return `${providers.join(" and ")} say how to sign in; whether they take the client shows when somebody does`
}).pipe(Effect.provide(OAuthLayer.layer))

const look = <R>(check: Effect.Effect<string, { readonly message: string }, R>) => Effect.exit(check)

/** Looks at everything that joy needs and says what to do where something is wrong. */
export const doctor = Effect.gen(function* () {
  yield* Configuration
  yield* Console.log("✓ configuration")
  let unwell = 0
  const checks = {
    database: look(database),
    redis: look(redis),
    store: look(store),
    ffmpeg: look(ffmpeg),
    keys: look(keys),
    oauth: look(oauth)
  }
  for (const name of ["database", "redis", "store", "ffmpeg", "keys", "oauth"] as const) {
    const exit = yield* checks[name]
    if (Exit.isSuccess(exit)) {
      yield* Console.log(`✓ ${name}: ${exit.value}`)
      continue
    }
    unwell += 1
    const error = Cause.squash(exit.cause)
    yield* Console.log(`✗ ${name}: ${error instanceof Error ? error.message : String(error)}`)
  }
  if (unwell > 0) return yield* new Unwell({ count: unwell })
}).pipe(Effect.provide(Configuration.layer))

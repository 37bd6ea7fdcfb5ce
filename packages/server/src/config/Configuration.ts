import { availableParallelism } from "node:os"
import * as Path from "node:path"

import type { OAuthOptions } from "@joy/auth/OAuthConfig"
import { defaultRules, type Rules } from "@joy/auth/RateLimitRules"
import { isReservedKey } from "@joy/storage/ReservedKeys"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

import { isLoopback } from "./Loopback.ts"
import * as OAuthVariables from "./OAuthVariables.ts"
import { rateLimits } from "./RateLimits.ts"
import * as Variable from "./Variable.ts"

/** The bucket that holds originals or derivatives. */
export interface Bucket {
  readonly bucket: string
  readonly prefix: string
  readonly endpoint: string | undefined
  readonly region: string | undefined
  readonly forcePathStyle: boolean
}

/** Everything that the environment says, read once at the start. Times in milliseconds. */
export interface Settings {
  readonly host: string
  readonly port: number
  readonly publicUrl: string
  readonly corsOrigins: ReadonlyArray<string>
  readonly trustedProxies: ReadonlyArray<string>
  readonly dataDir: string
  /** `null`: an embedded Postgres under `dataDir`. */
  readonly databaseUrl: Redacted.Redacted | null
  /** `null`: counters and the session index live in the process, which must then be the only one. */
  readonly redisUrl: Redacted.Redacted | null
  readonly source: { readonly _tag: "Folder"; readonly root: string } | ({ readonly _tag: "Bucket" } & Bucket)
  readonly derived: { readonly _tag: "Folder"; readonly root: string } | ({ readonly _tag: "Bucket" } & Bucket)
  readonly keysFile: string
  readonly accessTokenTtl: number
  readonly sessionIdleTtl: number
  readonly sessionMaxTtl: number
  readonly refreshGrace: number
  /** How long a playback URL works at most. */
  readonly grantTtl: number
  /** Whether players are sent to the bucket for originals. */
  readonly playbackRedirect: boolean
  /** Where the proxy in front finds the library's files. */
  readonly accelPrefix: string | null
  readonly registration: "open" | "closed"
  readonly rateLimits: Rules | "off"
  readonly oauth: OAuthOptions
  readonly ingestInterval: number
  readonly ingestConcurrency: number
  readonly ingestIgnore: ReadonlyArray<string>
  /** What an object store shows that posts its notifications; `null`: nobody may. */
  readonly ingestEventsSecret: Redacted.Redacted | null
  readonly runnerHost: string
  /** 0: any that is free. */
  readonly runnerPort: number
  readonly shutdownTimeout: number
  /** How many days things stay in the trash. */
  readonly trashDays: number
  readonly takeoverTimeout: number
  /** Whether to keep where pictures and films were taken. */
  readonly keepLocation: boolean
  readonly ffmpegPath: string | undefined
  readonly ffprobePath: string | undefined
  readonly logLevel: "trace" | "debug" | "info" | "warn" | "error"
  readonly logFormat: "pretty" | "json"
  readonly metricsPort: number | null
  /** Where traces are sent (OTLP over HTTP); `null`: none are made. */
  readonly otlpEndpoint: string | null
}

/** The environment holds values that can't be used; all of them are told. */
export class ConfigurationError extends Schema.TaggedError<ConfigurationError>()("ConfigurationError", {
  problems: Schema.Array(Schema.Struct({ name: Schema.String, found: Schema.String, expected: Schema.String }))
}) {
  override get message() {
    const lines = this.problems.map(({ expected, found, name }) => `  ${name}: found ${found}, expected ${expected}`)
    return ["The configuration can't be used:", ...lines].join("\n")
  }
}

/** Keys have no leading slash, and a prefix ends in one, so that `media` does not name `media-old/` too. */
const asPrefix = (text: string) => text.replace(/^\/+/, "").replace(/([^/])$/, "$1/")

/** Turns the environment into settings. */
const read = Effect.gen(function* () {
  const problems: Array<Variable.Problem> = []
  const get = <A>(variable: Variable.Variable<A>) => Variable.read(variable, problems)

  const host = yield* get(Variable.text("HOST", "127.0.0.1"))
  const port = yield* get(Variable.port("PORT", 8080))
  const publicUrl = yield* get(Variable.url("http:", "https:")("PUBLIC_URL", `http://localhost:${port}`))
  const dataDir = Path.resolve(yield* get(Variable.text("DATA_DIR", ".joy")))
  const databaseUrl = yield* get(Variable.url("postgres:", "postgresql:")("DATABASE_URL", null))
  const redisUrl = yield* get(Variable.url("redis:", "rediss:")("REDIS_URL", null))

  const bucketName = yield* get(Variable.text("S3_BUCKET", null))
  const derivedBucketName = yield* get(Variable.text("DERIVED_BUCKET", bucketName))
  const s3 = {
    endpoint: (yield* get(Variable.url("http:", "https:")("S3_ENDPOINT", null))) ?? undefined,
    region: (yield* get(Variable.text("S3_REGION", null))) ?? undefined,
    forcePathStyle: yield* get(Variable.flag("S3_FORCE_PATH_STYLE", false))
  }
  const prefix = asPrefix(yield* get(Variable.text("S3_PREFIX", "")))
  const derivedPrefix = asPrefix(yield* get(Variable.text("DERIVED_PREFIX", ".joy/")))
  const mediaDir = yield* get(Variable.text("MEDIA_DIR", Path.join(dataDir, "media")))
  const derivedDir = yield* get(Variable.text("DERIVED_DIR", Path.join(dataDir, "derived")))

  const settings: Settings = {
    host,
    port,
    publicUrl: publicUrl.replace(/\/+$/, ""),
    corsOrigins: yield* get(Variable.list("CORS_ORIGINS", [])),
    trustedProxies: yield* get(Variable.networks("TRUSTED_PROXIES", [])),
    dataDir,
    databaseUrl: databaseUrl === null ? null : Redacted.make(databaseUrl),
    redisUrl: redisUrl === null ? null : Redacted.make(redisUrl),
    source:
      bucketName === null
        ? { _tag: "Folder", root: Path.resolve(mediaDir) }
        : { _tag: "Bucket", bucket: bucketName, prefix, ...s3 },
    derived:
      derivedBucketName === null
        ? { _tag: "Folder", root: Path.resolve(derivedDir) }
        : { _tag: "Bucket", bucket: derivedBucketName, prefix: derivedPrefix, ...s3 },
    keysFile: Path.resolve(yield* get(Variable.text("AUTH_KEYS_FILE", Path.join(dataDir, "keys.json")))),
    accessTokenTtl: yield* get(Variable.duration("ACCESS_TOKEN_TTL", 15 * 60_000)),
    sessionIdleTtl: yield* get(Variable.duration("SESSION_IDLE_TTL", 30 * 86_400_000)),
    sessionMaxTtl: yield* get(Variable.duration("SESSION_MAX_TTL", 180 * 86_400_000)),
    refreshGrace: yield* get(Variable.duration("REFRESH_GRACE", 10_000)),
    grantTtl: yield* get(Variable.duration("GRANT_TTL", 12 * 3_600_000)),
    playbackRedirect: yield* get(Variable.flag("PLAYBACK_REDIRECT", false)),
    accelPrefix: yield* get(Variable.path("ACCEL_PREFIX", null)),
    registration: yield* get(
      Variable.oneOf("open", "closed")("REGISTRATION", isLoopback(host) ? ("open" as const) : ("closed" as const))
    ),
    rateLimits: yield* get(rateLimits("RATE_LIMITS", defaultRules)),
    oauth: yield* OAuthVariables.read(problems),
    ingestInterval: yield* get(Variable.duration("INGEST_INTERVAL", bucketName === null ? 60_000 : 300_000)),
    ingestConcurrency: yield* get(Variable.integer(1, 64)("INGEST_CONCURRENCY", availableParallelism())),
    ingestIgnore: yield* get(Variable.list("INGEST_IGNORE", [])),
    ingestEventsSecret: yield* get(Variable.secret(16)("INGEST_EVENTS_SECRET", null)),
    runnerHost: yield* get(Variable.text("RUNNER_HOST", "localhost")),
    runnerPort: yield* get(Variable.port("RUNNER_PORT", 0)),
    takeoverTimeout: yield* get(Variable.duration("TAKEOVER_TIMEOUT", 15_000)),
    shutdownTimeout: yield* get(Variable.duration("SHUTDOWN_TIMEOUT", 15_000)),
    trashDays: yield* get(Variable.integer(0, 36_500)("TRASH_DAYS", 30)),
    keepLocation: yield* get(Variable.flag("KEEP_LOCATION", false)),
    ffmpegPath: (yield* get(Variable.text("FFMPEG_PATH", null))) ?? undefined,
    ffprobePath: (yield* get(Variable.text("FFPROBE_PATH", null))) ?? undefined,
    logLevel: yield* get(Variable.oneOf("trace", "debug", "info", "warn", "error")("LOG_LEVEL", "info" as const)),
    logFormat: yield* get(
      Variable.oneOf("pretty", "json")("LOG_FORMAT", process.stdout.isTTY ? ("pretty" as const) : ("json" as const))
    ),
    metricsPort: yield* get(Variable.port("METRICS_PORT", null)),
    otlpEndpoint: yield* get(Variable.url("http:", "https:")("OTEL_EXPORTER_OTLP_ENDPOINT", null))
  }
  const atLeast = (name: string, value: number, minimum: number) => {
    if (value < minimum) problems.push({ name, found: `${value}ms`, expected: `${minimum}ms or more` })
  }
  atLeast("INGEST_INTERVAL", settings.ingestInterval, 100)
  // Sooner, a runner that breathes in would be taken for dead.
  atLeast("TAKEOVER_TIMEOUT", settings.takeoverTimeout, 6000)
  // A life of nothing would end before it is given out, and some stores read it as one without end.
  atLeast("ACCESS_TOKEN_TTL", settings.accessTokenTtl, 1000)
  atLeast("SESSION_IDLE_TTL", settings.sessionIdleTtl, 1000)
  atLeast("SESSION_MAX_TTL", settings.sessionMaxTtl, 1000)
  atLeast("GRANT_TTL", settings.grantTtl, 1000)
  if (settings.source._tag === "Folder" && settings.derived._tag === "Folder") {
    const below = Path.relative(settings.source.root, settings.derived.root)
    if (!Path.isAbsolute(below) && !/^\.\.($|\/)/.test(below) && !isReservedKey(below)) {
      problems.push({
        name: "DERIVED_DIR",
        found: JSON.stringify(settings.derived.root),
        expected: `a folder outside of the library ${settings.source.root}, or its .joy, which is never listed as media`
      })
    }
  }
  if (
    settings.source._tag === "Bucket" &&
    settings.derived._tag === "Bucket" &&
    settings.source.bucket === settings.derived.bucket &&
    settings.derived.prefix.startsWith(settings.source.prefix) &&
    !isReservedKey(settings.derived.prefix.slice(settings.source.prefix.length))
  ) {
    problems.push({
      name: "DERIVED_PREFIX",
      found: JSON.stringify(settings.derived.prefix),
      expected: `a prefix outside the library, or one below ${settings.source.prefix}.joy/, which is never listed as media`
    })
  }
  if (problems.length > 0) return yield* new ConfigurationError({ problems })
  return settings
})

/** What the environment says. */
export class Configuration extends Context.Service<Configuration, Settings>()("@joy/server/Configuration") {
  static readonly layer = Layer.effect(Configuration, read)
}

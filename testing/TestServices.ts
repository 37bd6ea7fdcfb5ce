import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientResponse from "effect/http/HttpClientResponse"
import * as Schema from "effect/Schema"
import { inject } from "vitest"

/** What a test may need from the machine. */
export type Need = "chromium" | "faketime" | "ffmpeg" | "redis" | "s3"

declare module "vitest" {
  interface ProvidedContext {
    /** Where `globalSetup.ts` listens, with the token that it wants to see. */
    readonly testServices: string
    /** A folder that is removed at the end of the run. */
    readonly runFolder: string
    /** What is not there, and why. */
    readonly missing: Partial<Record<Need, string>>
  }
}

/** A Postgres with a database that has all migrations; the URL leads to another database, for `CREATE DATABASE`. */
export const PostgresService = Schema.Struct({ adminUrl: Schema.String, template: Schema.String })

/** A database of a Redis that no one else uses. */
export const RedisService = Schema.Struct({ url: Schema.String })

const ask = <S extends Schema.ConstraintDecoder<unknown>>(name: string, schema: S) =>
  Effect.suspend(() => HttpClient.get(`${inject("testServices")}/${name}`)).pipe(
    Effect.flatMap((response) =>
      response.status === 200
        ? HttpClientResponse.schemaBodyJson(schema)(response)
        : Effect.flatMap(response.text, (text) => Effect.die(new Error(text)))
    ),
    Effect.provide(FetchHttpClient.layer),
    Effect.orDie
  )

/** Starts the run's Postgres, unless it runs already. */
export const postgres = ask("postgres", PostgresService)

/** Starts the run's Redis, unless it runs already, and gives one of its databases away. */
export const redis = ask("redis", RedisService)

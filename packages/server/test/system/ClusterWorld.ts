import { readFileSync } from "node:fs"
import { join } from "node:path"

import * as Sdk from "@aws-sdk/client-s3"
import { freePort } from "@joy/testing/FreePort"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as TestMedia from "@joy/testing/TestMedia"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"

import { S3Server } from "../../../storage/test/S3Server.ts"

/** A `joy ingest` with its port for operations. */
export interface Runner {
  readonly joy: Joy.JoyProcess
  readonly operations: string
}

/** One database and one bucket, to be worked on by as many `joy ingest` as a test starts. */
export class ClusterWorld extends Context.Service<
  ClusterWorld,
  {
    readonly folder: string
    readonly env: Joy.Environment
    readonly put: (prefix: string, files: ReadonlyArray<Body>) => Effect.Effect<void>
    /** A runner, up to where it says that it works. */
    readonly start: (env?: Joy.Environment) => Effect.Effect<Runner, never, Scope.Scope>
    /** What was made from the objects, by item: names and sizes. */
    readonly derived: Effect.Effect<ReadonlyMap<string, ReadonlyArray<string>>>
  }
>()("@joy/server/test/ClusterWorld") {
  /** On a database that is given. */
  static readonly layerNoDeps = Layer.effect(
    ClusterWorld,
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const { url } = yield* TestDatabase.TestDatabase
      const s3 = yield* S3Server
      const bucket = yield* s3.makeBucket
      const env = {
        DATA_DIR: join(folder, "data"),
        DATABASE_URL: Redacted.value(url),
        S3_BUCKET: bucket,
        S3_ENDPOINT: s3.endpoint,
        S3_REGION: s3.region,
        S3_FORCE_PATH_STYLE: "on",
        AWS_ACCESS_KEY_ID: s3.accessKeyId,
        AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
        INGEST_INTERVAL: "1s",
        INGEST_CONCURRENCY: "2"
      }
      const migrated = yield* Joy.run(["migrate"], { env, cwd: folder })
      if (migrated.code !== 0) return yield* Effect.die(new Error(migrated.stderr))
      return {
        folder,
        env,
        put: (prefix, files) =>
          Effect.forEach(
            files,
            ({ body, key }) =>
              Effect.promise(() =>
                s3.client.send(new Sdk.PutObjectCommand({ Bucket: bucket, Key: `${prefix}${key}`, Body: body }))
              ),
            { concurrency: 8, discard: true }
          ),
        start: Effect.fnUntraced(function* (more: Joy.Environment = {}) {
          const port = yield* freePort
          const joy = yield* Joy.start(["ingest"], {
            env: { ...env, METRICS_PORT: String(port), ...more },
            cwd: folder
          })
          yield* joy.says(/Ingest works/)
          return { joy, operations: `http://127.0.0.1:${port}` }
        }),
        derived: Effect.gen(function* () {
          const items = new Map<string, Array<string>>()
          let token: string | undefined
          do {
            const page: Sdk.ListObjectsV2CommandOutput = yield* Effect.promise(() =>
              s3.client.send(
                new Sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: ".joy/", ContinuationToken: token })
              )
            )
            for (const { Key = "", Size } of page.Contents ?? []) {
              const [, item = "", , name = ""] = Key.split("/")
              items.set(item, [...(items.get(item) ?? []), `${name} ${Size}`].toSorted())
            }
            token = page.NextContinuationToken
          } while (token !== undefined)
          return items
        })
      }
    })
  ).pipe(Layer.provide(S3Server.layer))

  static readonly layer = ClusterWorld.layerNoDeps.pipe(Layer.provideMerge(TestDatabase.layerEmpty))
}

export interface RunnerRow {
  readonly address: string
  readonly state: string
  readonly inHand: number
  readonly shards: number
  /** Has not said for a while that it is there. */
  readonly silent: boolean
}

export const runners = Effect.flatMap(
  SqlClient.SqlClient,
  (sql) => sql<RunnerRow>`
    SELECT address, state, in_hand, shards, seen_at < now() - interval '3 seconds' AS silent
    FROM ingest_runners ORDER BY id`
)

/** How many items below a prefix have this status. */
export const count = (prefix: string, status: string) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ count: number }>`SELECT count(*)::int AS count FROM media_items
        WHERE starts_with(s3_key, ${prefix}) AND status = ${status}`,
      ([row]) => row?.count ?? 0
    )
  )

/** How many items below a prefix are not ready or failed yet, or have work left. */
export const undone = (prefix: string, size: number) =>
  Effect.flatMap(SqlClient.SqlClient, (sql) =>
    Effect.map(
      sql<{ done: number; work: number }>`
        SELECT (SELECT count(*)::int FROM media_items
            WHERE starts_with(s3_key, ${prefix}) AND status IN ('ready', 'failed')) AS done,
          (SELECT count(*)::int FROM ingest_outbox WHERE starts_with(s3_key, ${prefix})) AS work`,
      ([row]) => size - (row?.done ?? 0) + (row?.work ?? 0)
    )
  )

/** Of how many items it was told more than once that they are ready. */
export const toldTwice = Effect.flatMap(SqlClient.SqlClient, (sql) =>
  Effect.map(
    sql`SELECT 1 FROM events WHERE name = 'media.ready' GROUP BY data ->> 'mediaId' HAVING count(*) > 1`,
    (rows) => rows.length
  )
)

/** The catalogue below a prefix and what was made, without what differs from run to run: identifiers and times. */
export const picture = Effect.fnUntraced(function* (prefix: string) {
  const sql = yield* SqlClient.SqlClient
  const { derived } = yield* ClusterWorld
  const made = yield* derived
  const items = yield* sql<Record<string, unknown> & { id: string }>`
    SELECT item.id, substr(item.s3_key, length(${prefix}) + 1) AS key, item.status, item.type, item.etag,
      item.size_bytes::float8, container, duration_seconds, width, height, video_codec, audio_codec, bitrate::float8,
      streams, thumbnails, thumbhash, failure_step, failure_message, failure_attempts,
      object.processed_at IS NOT NULL AS processed, object.missing_at IS NULL AS there, derivative_versions
    FROM media_items AS item JOIN processed_s3_objects AS object ON object.item_id = item.id
    WHERE starts_with(item.s3_key, ${prefix}) ORDER BY item.s3_key`
  return items.map(({ id, ...item }) => [item, made.get(id) ?? []] as const)
})

export const isReady = ({ operations }: Runner) =>
  Effect.map(JoyHttp.request(operations, "/health/ready"), ({ status }) => status === 200)

export interface Body {
  readonly key: string
  readonly body: Buffer
}

/** Different files out of three, and a few that are bad. */
export const corpus = Effect.fnUntraced(function* (size: number) {
  const image = readFileSync(yield* TestMedia.image())
  const audio = readFileSync(yield* TestMedia.audio())
  const video = readFileSync(yield* TestMedia.video({ seconds: 1 }))
  return Array.from({ length: size }, (_, n): Body => {
    const name = String(n).padStart(4, "0")
    if (n % 20 === 7) return { key: `${name}.mp4`, body: Buffer.from(`no film ${n}`) }
    // What follows the end of a medium is nothing to its readers.
    if (n % 4 === 1) return { key: `${name}.mp4`, body: Buffer.concat([video, freeBox(n)]) }
    if (n % 4 === 2) return { key: `${name}.mp3`, body: Buffer.concat([audio, audio.subarray(-400 - n)]) }
    return { key: `${name}.jpg`, body: Buffer.concat([image, Buffer.from(name)]) }
  })
})

/** A box that players skip (ISO/IEC 14496-12, 8.1.2). */
const freeBox = (n: number) => {
  const box = Buffer.alloc(16)
  box.writeUInt32BE(16)
  box.write("free", 4)
  box.writeUInt32BE(n, 8)
  return box
}

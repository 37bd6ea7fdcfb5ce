import { copyFileSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"

import { CopyObjectCommand, DeleteObjectCommand, PutObjectCommand } from "@aws-sdk/client-s3"
import * as FolderStore from "@joy/storage/FolderStore"
import * as S3Store from "@joy/storage/S3Store"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { S3Server } from "../../storage/test/S3Server.ts"
import type { IngestOptions } from "../src/IngestConfig.ts"
import { Library, scanningOn } from "./World.ts"

/** Where originals are, and what people do there, be it a folder or a bucket. */
export class Place extends Context.Service<
  Place,
  {
    readonly put: (key: string, body: string) => Effect.Effect<void>
    /** On S3: a copy, then a deletion. */
    readonly move: (from: string, to: string) => Effect.Effect<void>
    readonly copy: (from: string, to: string) => Effect.Effect<void>
    readonly remove: (key: string) => Effect.Effect<void>
  }
>()("@joy/ingest/test/Place") {}

/** All of one time: what has a size of its own is told apart also when it gets the inode of what was removed. */
const age = (path: string) => utimesSync(path, new Date("2024-03-01"), new Date("2024-03-01"))

const folder = Layer.effect(
  Place,
  Effect.gen(function* () {
    const { root } = yield* Library
    const pathOf = (key: string) => {
      mkdirSync(dirname(join(root, key)), { recursive: true })
      return join(root, key)
    }
    return {
      put: (key, body) =>
        Effect.sync(() => {
          writeFileSync(pathOf(key), body)
          age(pathOf(key))
        }),
      move: (from, to) => Effect.sync(() => renameSync(pathOf(from), pathOf(to))),
      copy: (from, to) =>
        Effect.sync(() => {
          copyFileSync(pathOf(from), pathOf(to))
          age(pathOf(to))
        }),
      remove: (key) => Effect.sync(() => rmSync(pathOf(key)))
    }
  })
)

class Bucket extends Context.Service<Bucket, { readonly name: string; readonly server: S3Server["Service"] }>()(
  "@joy/ingest/test/Bucket"
) {
  static readonly layer = Layer.effect(
    Bucket,
    Effect.gen(function* () {
      const server = yield* S3Server
      return { server, name: yield* server.makeBucket }
    })
  )
}

const send = (run: () => Promise<unknown>) => Effect.asVoid(Effect.promise(run))

const bucket = Layer.effect(
  Place,
  Effect.gen(function* () {
    const { name, server } = yield* Bucket
    const copy = (from: string, to: string) =>
      send(() =>
        server.client.send(
          new CopyObjectCommand({ Bucket: name, Key: to, CopySource: `${name}/${encodeURIComponent(from)}` })
        )
      )
    const remove = (key: string) => send(() => server.client.send(new DeleteObjectCommand({ Bucket: name, Key: key })))
    return {
      put: (key, body) => send(() => server.client.send(new PutObjectCommand({ Bucket: name, Key: key, Body: body }))),
      copy,
      remove,
      move: (from, to) => Effect.andThen(copy(from, to), remove(from))
    }
  })
)

/** All that a scan of a folder needs. */
export const onFolder = (options: Partial<IngestOptions> = {}) =>
  folder.pipe(
    Layer.provideMerge(
      scanningOn(
        Effect.flatMap(Library, ({ root }) => FolderStore.make({ root, readOnly: true })),
        options
      )
    )
  )

/** All that a scan of a bucket needs. */
export const onBucket = (options: Partial<IngestOptions> = {}) =>
  bucket.pipe(
    Layer.provideMerge(
      scanningOn(
        Effect.flatMap(Bucket, ({ name, server }) =>
          S3Store.make({
            bucket: name,
            prefix: "",
            endpoint: server.endpoint,
            region: server.region,
            forcePathStyle: true,
            readOnly: true,
            credentials: { accessKeyId: server.accessKeyId, secretAccessKey: Redacted.make(server.secretAccessKey) }
          })
        ),
        options
      )
    ),
    Layer.provideMerge(Bucket.layer),
    Layer.provide(S3Server.layer)
  )

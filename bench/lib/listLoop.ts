import { lstat, lstatSync, readdirSync } from "node:fs"
import { readdir } from "node:fs/promises"
import { text } from "node:stream/consumers"

import * as FolderStore from "@joy/storage/FolderStore"
import type { ObjectStore } from "@joy/storage/ObjectStore"
import * as S3Store from "@joy/storage/S3Store"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

import { credentials } from "./Gateway.ts"
import type { Row } from "./Million.ts"

/**
 * Lists everything once, and does nothing with it: what `rescan` is compared with, and our own listing by itself. Its
 * input is a `Job`, its output a `Result`, both as JSON.
 */
export interface Job {
  /**
   * `bare`: as a server lists that has other things to do, eight looks at a time. `blocking`: as a tool lists that has
   * not. `store`: our own. `rows`: as `store`, and says what it found.
   */
  readonly kind: "bare" | "blocking" | "store" | "rows"
  readonly from: { readonly root: string } | { readonly endpoint: string; readonly bucket: string }
}

export interface Result {
  readonly objects: number
  readonly millis: number
  readonly cpuMillis: number
  readonly rows: ReadonlyArray<Row>
}

const bareFolder = async (folder: string): Promise<number> => {
  let count = 0
  const entries = await readdir(folder, { withFileTypes: true })
  const files: Array<string> = []
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) count += await bareFolder(path)
    else files.push(path)
  }
  const look = (path: string) =>
    new Promise<void>((resolve, reject) =>
      lstat(path, { bigint: true }, (error, stats) => {
        if (error !== null) return reject(error)
        if (stats.isFile()) count += 1
        resolve()
      })
    )
  for (let at = 0; at < files.length; at += 8) await Promise.all(files.slice(at, at + 8).map(look))
  return count
}

const blockingFolder = (folder: string): number => {
  let count = 0
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`
    if (entry.isDirectory()) count += blockingFolder(path)
    else if (lstatSync(path, { bigint: true }).isFile()) count += 1
  }
  return count
}

/** The SDK's own pages, one after the other. */
const bareBucket = async (endpoint: string, Bucket: string): Promise<number> => {
  const { ListObjectsV2Command, S3Client } = await import("@aws-sdk/client-s3")
  const client = new S3Client({ endpoint, region: "us-east-1", forcePathStyle: true, credentials })
  let count = 0
  let StartAfter: string | undefined
  do {
    const page = await client.send(new ListObjectsV2Command({ Bucket, StartAfter }))
    count += page.Contents?.length ?? 0
    StartAfter = page.IsTruncated === true ? page.Contents?.at(-1)?.Key : undefined
  } while (StartAfter !== undefined)
  return count
}

const listed = Effect.fnUntraced(function* (store: ObjectStore, rows: Array<Row> | null) {
  let count = 0
  for (let from: string | null = ""; from !== null;) {
    const page: Effect.Success<ReturnType<ObjectStore["list"]>> = yield* store.list({ startAfter: from })
    count += page.objects.length
    rows?.push(...page.objects.map(({ etag, key, sizeBytes }) => ({ etag, key, sizeBytes })))
    from = page.nextStartAfter
  }
  return count
})

const open = (from: Job["from"]) =>
  "root" in from
    ? FolderStore.make({ root: from.root, readOnly: true })
    : S3Store.make({
        ...from,
        prefix: "",
        forcePathStyle: true,
        credentials: { ...credentials, secretAccessKey: Redacted.make(credentials.secretAccessKey) }
      })

const count = async ({ from, kind }: Job, rows: Array<Row>): Promise<number> => {
  if (kind === "store" || kind === "rows") {
    const list = Effect.flatMap(open(from), (store) => listed(store, kind === "rows" ? rows : null))
    return Effect.runPromise(Effect.scoped(list))
  }
  if ("endpoint" in from) return bareBucket(from.endpoint, from.bucket)
  return kind === "bare" ? bareFolder(from.root) : blockingFolder(from.root)
}

const job: Job = JSON.parse(await text(process.stdin))
const rows: Array<Row> = []
const cpu = process.cpuUsage()
const began = performance.now()
const objects = await count(job, rows)
const millis = performance.now() - began
const used = process.cpuUsage(cpu)
const result: Result = { objects, millis, cpuMillis: (used.user + used.system) / 1000, rows }
process.stdout.write(JSON.stringify(result))

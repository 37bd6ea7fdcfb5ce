/**
 * A scan of a million objects that are known and unchanged, against a loop that only lists them.
 *
 * In a folder (links to a thousand small files), and a quarter as many in a bucket of versitygw, where there is one on the
 * PATH. Ours is `joy ingest` from the bundle; what it is compared with is visited in turn with it, in processes of their
 * own. Another count may be given: `npm run bench -- rescan 100000`.
 */
import { mkdirSync } from "node:fs"
import { join } from "node:path"

import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3"
import { findOnPath } from "@joy/testing/Executables"

import * as Cluster from "./lib/Cluster.ts"
import type * as DiffAlone from "./lib/diffAlone.ts"
import { atLeast, atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Gateway from "./lib/Gateway.ts"
import * as Joy from "./lib/Joy.ts"
import type * as ListLoop from "./lib/listLoop.ts"
import * as Million from "./lib/Million.ts"
import * as Postgres from "./lib/Postgres.ts"
import { cpuMillis, pssMiB, treeCpuMillis } from "./lib/Processes.ts"
import * as Scripts from "./lib/Scripts.ts"

const objects = Number(process.argv[2] ?? 1_000_000)
const turns = 3

const list = (kind: ListLoop.Job["kind"], from: ListLoop.Job["from"]) =>
  Scripts.run<ListLoop.Job, ListLoop.Result>("listLoop", { kind, from })

const timesOf = (results: ReadonlyArray<{ readonly millis: number }>) => results.map(({ millis }) => millis / 1000)
const cpuOf = (results: ReadonlyArray<{ readonly cpuMillis: number }>) =>
  results.map(({ cpuMillis }) => cpuMillis / 1000)

const isIdle = "SELECT count(*) FROM scans WHERE status = 'running'"

/** As `POST /media/refresh` does. */
const request = async (cluster: Cluster.Cluster) => {
  const begin = `INSERT INTO scans (id, status, requested) VALUES (gen_random_uuid(), 'running', true)
    ON CONFLICT DO NOTHING`
  // One of its own comes first where there is one.
  while ((await cluster.database.query(begin)).rowCount === 0) await cluster.until(isIdle, (count) => count === 0)
  await cluster.database.query("NOTIFY joy_ingest, 'scanner'")
}

/** Asks for a scan, and waits for its end. */
const scan = async (cluster: Cluster.Cluster, count: number, pid: number, postgresPid: number) => {
  const [before, postgresBefore] = [cpuMillis(pid), treeCpuMillis(postgresPid)]
  let most = 0
  const watch = setInterval(() => (most = Math.max(most, pssMiB(pid))), 200)
  await request(cluster)
  await cluster.until(isIdle, (running) => running === 0)
  clearInterval(watch)
  const last = "FROM scans WHERE started_at = (SELECT max(started_at) FROM scans)"
  const unchanged = await cluster.ask(`SELECT listed ${last} AND new + changed + moved + missing + failed = 0`)
  if (unchanged !== count) throw new Error(`The scan saw ${unchanged} objects unchanged, and there are ${count}`)
  return {
    millis: await cluster.ask(`SELECT extract(epoch FROM finished_at - started_at) * 1000 ${last}`),
    cpuMillis: cpuMillis(pid) - before,
    postgresMillis: treeCpuMillis(postgresPid) - postgresBefore,
    megabytes: most * 1.048576
  }
}

const compare = async (
  name: string,
  count: number,
  cluster: Cluster.Cluster,
  postgresPid: number,
  from: ListLoop.Job["from"]
) => {
  const joy = await cluster.start()
  // The scans that a start brings with it: one more when it has begun to listen.
  await cluster.until("SELECT count(*) FROM scans WHERE status <> 'running'", (scans) => scans >= 2)
  const results = {
    bare: [] as Array<ListLoop.Result>,
    blocking: [] as Array<ListLoop.Result>,
    store: [] as Array<ListLoop.Result>,
    joy: [] as Array<Awaited<ReturnType<typeof scan>>>
  }
  for (let turn = 0; turn < turns; turn++) {
    progress(`${name}, ${turn + 1} of ${turns}`)
    results.bare.push(await list("bare", from))
    results.joy.push(await scan(cluster, count, joy.pid, postgresPid))
    results.store.push(await list("store", from))
    if ("root" in from) results.blocking.push(await list("blocking", from))
  }
  await joy.stop()
  for (const { objects: found } of [...results.bare, ...results.store, ...results.blocking]) {
    if (found !== count) throw new Error(`A loop listed ${found} objects of ${count}`)
  }
  figure(`${name}: a bare listing loop`, timesOf(results.bare), "s")
  figure("  its CPU", cpuOf(results.bare), "s")
  if (results.blocking.length > 0) {
    figure("  the same with calls that block, unsorted", timesOf(results.blocking), "s")
    figure("  its CPU", cpuOf(results.blocking), "s")
  }
  figure("  our listing alone", timesOf(results.store), "s")
  figure("  its CPU", cpuOf(results.store), "s")
  figure("  the scan", timesOf(results.joy), "s")
  figure("  its CPU", cpuOf(results.joy), "s")
  figure(
    "  the CPU of Postgres meanwhile",
    results.joy.map(({ postgresMillis }) => postgresMillis / 1000),
    "s"
  )
  figure(
    "  objects a second",
    results.joy.map(({ millis }) => (count * 1000) / millis),
    "/s"
  )
  figure(
    "  the scan against the bare loop, in time",
    results.joy.map(({ millis }, turn) => millis / (results.bare[turn]?.millis ?? Number.NaN)),
    "times",
    atMost(1.2)
  )
  figure(
    "  the scan and its Postgres against the bare loop, in CPU",
    results.joy.map(
      ({ cpuMillis: own, postgresMillis }, turn) =>
        (own + postgresMillis) / (results.bare[turn]?.cpuMillis ?? Number.NaN)
    ),
    "times"
  )
  const most = Math.max(...results.joy.map(({ megabytes }) => megabytes))
  figure("  its memory at the most", [most], "MB PSS", atMost(200))
}

/** Killed half way, and gone on with by the next one. */
const resume = async (cluster: Cluster.Cluster) => {
  progress("A scan is killed half way")
  const joy = await cluster.start()
  await request(cluster)
  await cluster.until("SELECT coalesce(sum(listed), 0) FROM scan_ranges", (listed) => listed > objects / 2)
  await joy.kill()
  const listed = await cluster.ask("SELECT sum(listed) FROM scan_ranges")
  const again = await cluster.start()
  await cluster.until("SELECT count(*) FROM scans WHERE requested AND status = 'running'", (count) => count === 0)
  const whole = await cluster.ask("SELECT listed FROM scans WHERE requested ORDER BY started_at DESC LIMIT 1")
  await again.stop()
  figure("  killed half way: objects seen until then", [listed], "")
  figure("  listed again that were dealt with", [whole - objects], "", atMost(0))
}

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()
  progress(`Making ${objects} files`)
  const root = join(folder, "million")
  mkdirSync(root)
  await Million.makeFolders(root, objects)
  const postgres = await Postgres.start(folder)
  try {
    progress("Writing their rows")
    const inFolder = await Cluster.make(folder, postgres, {
      name: "folder",
      places: 1,
      env: { MEDIA_DIR: root, INGEST_INTERVAL: "1d" }
    })
    await Million.addRows(inFolder.database, (await list("rows", { root })).rows)
    for (const ranges of [1, 4]) {
      const alone: Array<DiffAlone.Result> = []
      for (let turn = 0; turn < turns; turn++) {
        progress(`The difference alone, ${ranges} at once, ${turn + 1} of ${turns}`)
        const job = { databaseUrl: inFolder.url, ranges }
        alone.push(await Scripts.run<DiffAlone.Job, DiffAlone.Result>("diffAlone", job))
      }
      figure(`the difference alone, ${ranges === 1 ? "one page" : `${ranges} pages`} at a time`, timesOf(alone), "s")
      figure("  its CPU", cpuOf(alone), "s")
      const rate = alone.map(({ millis, objects: seen }) => (seen * 1000) / millis)
      figure("  objects a second", rate, "/s", ranges === 4 ? atLeast(250_000) : undefined)
    }
    await compare("folder", objects, inFolder, postgres.pid, { root })
    await resume(inFolder)
    await inFolder.stop()

    if (findOnPath("versitygw") === null) progress("There is no versitygw on the PATH: the bucket is left out")
    else {
      const count = Math.ceil(objects / 4)
      const bucket = "films"
      const gateway = await Gateway.start(join(folder, "s3"), bucket)
      const { endpoint } = gateway
      progress(`Making a bucket of ${count}`)
      const client = new S3Client({
        endpoint,
        region: "us-east-1",
        forcePathStyle: true,
        credentials: Gateway.credentials
      })
      // The first of each folder by the server, which writes its ETag beside the file: links have it, too.
      await Million.makeFolders(join(folder, "s3", bucket), count, async (Key) => {
        await client.send(new PutObjectCommand({ Bucket: bucket, Key, Body: Key }))
      })
      const inBucket = await Cluster.make(folder, postgres, {
        name: "bucket",
        places: 1,
        env: {
          S3_BUCKET: bucket,
          S3_ENDPOINT: endpoint,
          S3_FORCE_PATH_STYLE: "on",
          AWS_ACCESS_KEY_ID: Gateway.credentials.accessKeyId,
          AWS_SECRET_ACCESS_KEY: Gateway.credentials.secretAccessKey,
          INGEST_INTERVAL: "1d"
        }
      })
      await Million.addRows(inBucket.database, (await list("rows", { endpoint, bucket })).rows)
      await compare("bucket", count, inBucket, postgres.pid, { endpoint, bucket })
      await inBucket.stop()
      gateway.stop()
    }
  } finally {
    await postgres.stop()
  }
  print(`rescan: ${objects.toLocaleString("en")} objects that are known and unchanged`)
})

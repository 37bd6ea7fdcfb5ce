/**
 * Runners of ingest killed at random moments while files keep coming: nothing may be lost, done twice, or stand still.
 *
 * Two `joy ingest` on one database and one folder. 50 times (or as often as is said) files come, a random time passes, and
 * one of the two is killed with `kill -9` or asked to stop, and another one started; every tenth time Postgres is
 * restarted as well. In the end everything is compared with what one runner makes of such files undisturbed.
 */
import { randomInt } from "node:crypto"
import { setTimeout as sleep } from "node:timers/promises"

import * as Cluster from "../lib/Cluster.ts"
import { progress } from "../lib/Figures.ts"
import { withFolder } from "../lib/Folder.ts"
import * as Joy from "../lib/Joy.ts"
import * as Postgres from "../lib/Postgres.ts"

const rounds = Number(process.argv[2] ?? 50)
const files = 12

/** What is told of an item, by the kind of its file: all of one kind have to be the same. */
const facts = `SELECT substring(item.s3_key FROM '[^.]+$') AS kind, jsonb_build_array(item.type, item.status, container,
    duration_seconds, width, height, video_codec, audio_codec, streams, thumbnails, thumbhash, failure_step,
    failure_message, object.processed_at IS NOT NULL, object.derivative_versions)::text AS facts, count(*)::int AS count
  FROM media_items AS item JOIN processed_s3_objects AS object ON object.item_id = item.id GROUP BY 1, 2`

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()
  let postgres = await Postgres.start(folder)
  const clean = await Cluster.make(folder, postgres, { name: "clean", places: 2 })
  const alone = await clean.start()
  clean.drop("first", files)
  await clean.until(Cluster.ready, (count) => count === files)
  const { rows: expected } = await clean.database.query<{ kind: string; facts: string }>(facts)
  await alone.stop()
  await clean.stop()

  let cluster = await Cluster.make(folder, postgres, { name: "soak", places: 2 })
  const living = [await cluster.start(), await cluster.start()]
  const counts = { killed: 0, stopped: 0, restarted: 0 }
  for (let round = 0; round < rounds; round++) {
    cluster.drop(`round-${round}`, files)
    await sleep(randomInt(50, 2500))
    const [victim] = living.splice(randomInt(living.length), 1)
    const asked = randomInt(4) === 0
    if (asked) await victim?.stop()
    else await victim?.kill()
    counts[asked ? "stopped" : "killed"] += 1
    if (round % 10 === 9) {
      await cluster.stop()
      await postgres.stop()
      postgres = await Postgres.start(folder)
      cluster = await cluster.again()
      counts.restarted += 1
    }
    living.push(await cluster.start())
    if (round % 10 === 9) progress(`${round + 1} of ${rounds}: ${await cluster.ask(Cluster.ready)} ready`)
  }
  await cluster.until(Cluster.undone, (count) => count === 0, 600)

  const { rows: found } = await cluster.database.query<{ kind: string; facts: string; count: number }>(facts)
  const total = found.reduce((sum, { count }) => sum + count, 0)
  const others = found.filter(({ facts, kind }) => !expected.some((one) => one.kind === kind && one.facts === facts))
  const doubled = await cluster.ask(Cluster.doubled)
  const lost = rounds * files - total
  await Promise.all(living.map(({ stop }) => stop()))
  await cluster.stop()
  await postgres.stop()

  console.log(
    `\n${counts.killed} kills, ${counts.stopped} stops, ${counts.restarted} restarts of Postgres, ${total} files`
  )
  console.log(`lost ${lost}, doubled ${doubled}, stuck 0, unlike an undisturbed run ${others.length}`)
  for (const { facts, kind } of others) console.log(`  ${kind}: ${facts.slice(0, 500)}`)
  if (lost !== 0 || doubled !== 0 || others.length !== 0) process.exitCode = 1
})

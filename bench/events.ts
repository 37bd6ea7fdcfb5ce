/**
 * GET /events: how long an event takes to the last of a thousand listeners at one server, and how long it takes to go on
 * after one that ten thousand followed. Beside a server that asks the database for each listener.
 *
 * The two are visited in turn, on one database.
 */
import { randomUUID } from "node:crypto"
import { mkdirSync } from "node:fs"
import { connect } from "node:net"
import { join } from "node:path"

import { Client } from "pg"

import { atLeast, atMost, figure, percentile, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Http from "./lib/Http.ts"
import * as Joy from "./lib/Joy.ts"
import type * as Listeners from "./lib/listeners.ts"
import { quietly } from "./lib/Machine.ts"
import * as Postgres from "./lib/Postgres.ts"
import * as Scripts from "./lib/Scripts.ts"

const listeners = 1000
const users = 50
const events = 40
const replayed = 10_000
const visits = 3

const numbers = (): Array<number> => []

/** Until a stream that was opened with `request` has told of so many events. */
const replay = (port: number, request: string, count: number) =>
  new Promise<number>((resolve, reject) => {
    const began = performance.now()
    const socket = connect(port, "127.0.0.1", () => socket.write(request))
    let carry = ""
    let seen = 0
    socket.on("error", reject)
    socket.on("data", (chunk) => {
      const received = carry + chunk.toString("latin1")
      seen += received.split("\ndata: ").length - 1
      carry = received.slice(-6)
      if (seen < count) return
      socket.destroy()
      resolve(performance.now() - began)
    })
  })

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()
  mkdirSync(join(folder, "data", "media"), { recursive: true })
  const postgres = await Postgres.start(folder)
  const settings = { DATABASE_URL: postgres.url, AUTH_KEYS_FILE: join(folder, "keys.json"), LOG_LEVEL: "warn" }
  Joy.run("bundle", ["migrate"], folder, settings)
  Joy.run("bundle", ["keys", "init"], folder, settings)
  const joy = await Joy.start("bundle", "serve", folder, settings)
  const rival = await Scripts.serve("pollingEvents", [postgres.url])
  const client = new Client({ connectionString: postgres.url })
  await client.connect()

  progress(`Registering ${users} users`)
  const mediaId = randomUUID()
  await client.query(
    `INSERT INTO media_items (id, type, title, status, visibility, s3_key, etag, size_bytes)
     VALUES ($1, 'video', 'A film', 'ready', 'shared', 'film.mp4', 'etag', 1)`,
    [mediaId]
  )
  const accounts: Array<{ readonly id: string; readonly token: string }> = []
  for (let at = 0; at < users; at++) {
    const body = { username: `user${at}`, email: `user${at}@example.org`, password: "a tolerable phrase 42" }
    const { accessToken, user } = await Http.expect(201, joy.url, "POST", "/auth/register", { body })
    accounts.push({ id: user.id, token: accessToken })
  }

  const port = Number(new URL(joy.url).port)
  const sides = [
    {
      name: "joy",
      port,
      pid: joy.pid,
      requests: accounts.map(({ token }) => ({ path: "/events", token })),
      replay: (after: { readonly position: string }) =>
        `GET /events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${accounts[0]?.token}\r\nLast-Event-ID: ${after.position}\r\n\r\n`
    },
    {
      name: "a query for each listener",
      port: rival.port,
      pid: rival.pid,
      requests: accounts.map(({ id }) => ({ path: `/?user=${id}`, token: "" })),
      replay: (after: { readonly id: string }) =>
        `GET /?user=${accounts[0]?.id}&after=${after.id} HTTP/1.1\r\nHost: x\r\n\r\n`
    }
  ]
  const noted = sides.map((side) => ({
    side,
    median: numbers(),
    late: numbers(),
    cpu: numbers(),
    replays: numbers(),
    others: numbers()
  }))

  const visit = (side: (typeof sides)[number]) =>
    Scripts.run<Listeners.Job, Listeners.Result>("listeners", {
      port: side.port,
      pids: { server: side.pid, postgres: postgres.pid },
      database: postgres.url,
      requests: side.requests,
      listeners,
      mediaId,
      events,
      pause: 100
    })
  for (let turn = 0; turn < visits; turn++) {
    for (const note of turn % 2 === 0 ? noted : noted.toReversed()) {
      progress(`${events} events to ${listeners} listeners: ${note.side.name}, visit ${turn + 1} of ${visits}`)
      const { others, value } = await quietly(() => visit(note.side), 2)
      note.median.push(percentile(value.latencies, 0.5))
      note.late.push(percentile(value.latencies, 0.99))
      note.cpu.push(value.cpuMillis)
      note.others.push(others)
    }
  }

  progress(`Replaying ${replayed} events`)
  const { rows } = await client.query<{ id: string; position: string }>(
    "SELECT max(id) AS id, pg_snapshot_xmin(pg_current_snapshot()) || '-0' AS position FROM events"
  )
  const [after] = rows
  if (after === undefined) throw new Error("There are no events")
  await client.query(
    `INSERT INTO events (name, data)
     SELECT 'media.updated', jsonb_build_object('mediaId', $1::text) FROM generate_series(1, $2::int)`,
    [mediaId, replayed]
  )
  for (let turn = 0; turn < 5; turn++) {
    for (const { replays, side } of noted) replays.push(await replay(side.port, side.replay(after), replayed))
  }
  await client.end()
  rival.stop()
  await joy.stop()
  await postgres.stop()

  const [ours, theirs] = noted
  const ratios = (of: "late" | "cpu" | "replays") =>
    (theirs?.[of] ?? []).map((value, at) => value / (ours?.[of][at] ?? Number.NaN))
  for (const note of noted) {
    const isOurs = note === ours
    figure(`an event to the last of ${listeners} listeners: ${note.side.name}`, note.median, "ms")
    figure("  99 % of them within", note.late, "ms", isOurs ? atMost(100) : undefined)
    figure("  CPU of the server and Postgres per event", note.cpu, "ms")
    figure(`  ${replayed} events that were missed`, note.replays, "ms", isOurs ? atMost(1000) : undefined)
    figure("  taken by others meanwhile", note.others, "cores")
  }
  figure("a query for each listener, in time to the last", ratios("late"), "x", atLeast(2))
  figure("  in CPU", ratios("cpu"), "x", atLeast(2))
  figure("  in time to replay", ratios("replays"), "x")
  print("events: a thousand listeners")
})

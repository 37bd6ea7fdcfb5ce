import { readFileSync } from "node:fs"

import { assert, layer } from "@effect/vitest"
import { Events } from "@joy/domain/Events"
import { EventPosition } from "@joy/domain/EventStream"
import { Maintenance } from "@joy/ingest/Maintenance"
import * as EventStreams from "@joy/testing/EventStreams"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import { describeWith } from "@joy/testing/Needs"
import { OwnPostgres } from "@joy/testing/OwnPostgres"
import * as Replicas from "@joy/testing/Replicas"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Stream from "effect/Stream"

import { EventWorld } from "./EventWorld.ts"

const world = Maintenance.layer.pipe(Layer.provideMerge(EventWorld.layer))

const residentBytes = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0) * 1024

const problemOf = (text: string) => JoyHttp.decode(JoyHttp.Problem, { text })
const Ticket = Schema.Struct({ ticket: Schema.String, expiresAt: Schema.String })

const ticketFor = Effect.fnUntraced(function* (token: string) {
  const { replicas } = yield* EventWorld
  const answer = yield* replicas.one.request("/events/tickets", { method: "POST", token })
  assert.strictEqual(answer.status, 201)
  return yield* JoyHttp.decode(Ticket, answer)
})

const openByTicket = (ticket: string, server: Replicas.Replica) =>
  EventStreams.open(server.address, { query: `?ticket=${encodeURIComponent(ticket)}` })

/** Listens since an event, however often it is cut, at either server; gives the ids that it has seen. */
const listenWithCuts = Effect.fnUntraced(function* (
  token: string,
  start: string,
  until: (seen: ReadonlyArray<string>) => boolean
) {
  const { replicas } = yield* EventWorld
  const seen: Array<string> = []
  let lastEventId = start
  let cuts = 0
  while (!until(seen)) {
    const patience = yield* Random.nextIntBetween(1, 40)
    yield* Effect.gen(function* () {
      const server = (yield* Random.nextBoolean) ? replicas.one : replicas.two
      const stream = yield* EventStreams.open(server.address, { token, lastEventId })
      assert.strictEqual(stream.status, 200)
      yield* Joy.until(
        Effect.sync(() => [...seen, ...stream.events.map(({ id }) => id)]),
        (all) => stream.events.length >= patience || until(all)
      )
      yield* stream.cut
      seen.push(...stream.events.map(({ id }) => id))
      lastEventId = stream.lastId() ?? lastEventId
      cuts++
    }).pipe(Effect.scoped)
  }
  return { seen, cuts }
})

describeWith(["redis"], "Events", () => {
  layer(world, { excludeTestServices: true, timeout: "180 seconds" })((it) => {
    /** Where things are now. */
    const here = Effect.gen(function* () {
      const { admin, replicas } = yield* EventWorld
      const { lastId, cut } = yield* EventStreams.open(replicas.one.address, { token: admin.token })
      const id = yield* Joy.until(Effect.sync(lastId), (id) => id !== undefined)
      yield* cut
      return id ?? ""
    }).pipe(Effect.scoped)

    it.effect(
      "come to each who may see them once and in order, whoever writes, and however often they are cut [V1, V2]",
      () =>
        Effect.gen(function* () {
          const { admin, owner, privateId, sharedId, viewer } = yield* EventWorld
          const sql = yield* SqlClient.SqlClient
          const events = yield* Events
          const start = yield* here

          // Transactions of any length, side by side: what has the lower id may be committed later.
          const write = Effect.gen(function* () {
            const count = yield* Random.nextIntBetween(1, 4)
            for (let n = 0; n < count; n++) {
              yield* events.append({
                name: "media.updated",
                mediaId: (yield* Random.nextBoolean) ? sharedId : privateId
              })
              yield* sql`SELECT pg_sleep(${(yield* Random.nextIntBetween(0, 15)) / 1000}::float8)`
            }
          }).pipe(sql.withTransaction)
          const writer = Effect.repeat(write, { times: 60 })

          let all: ReadonlyArray<{ readonly id: string; readonly isPrivate: boolean }> | null = null
          const idsFor = (seesPrivate: boolean) =>
            (all ?? []).filter(({ isPrivate }) => seesPrivate || !isPrivate).map(({ id }) => id)
          const who = [
            { token: admin.token, seesPrivate: true },
            { token: owner.token, seesPrivate: true },
            { token: viewer.token, seesPrivate: false }
          ]
          const everybody = [...who, ...who, ...who]
          const listening = yield* Effect.forkScoped(
            Effect.forEach(
              everybody,
              ({ seesPrivate, token }) =>
                listenWithCuts(token, start, (seen) => all !== null && seen.length >= idsFor(seesPrivate).length),
              { concurrency: "unbounded" }
            )
          )
          yield* Effect.all([writer, writer, writer], { concurrency: "unbounded" })
          all = yield* sql<{ readonly id: string; readonly isPrivate: boolean }>`
          SELECT transaction_id || '-' || id AS id, data->>'mediaId' = ${privateId}::text AS is_private FROM events
          WHERE transaction_id >= split_part(${start}::text, '-', 1)::xid8 ORDER BY transaction_id, events.id`
          assert.isAbove(all.length, 180)
          const results = yield* Fiber.join(listening)
          for (const [at, { seen }] of results.entries()) {
            assert.deepStrictEqual(seen, idsFor(everybody[at]?.seesPrivate === true))
          }
          assert.isAbove(
            results.reduce((sum, { cuts }) => sum + cuts, 0),
            50
          )
        }).pipe(Effect.scoped)
    )

    it.effect("reach programs by the typed client, decoded", () =>
      Effect.gen(function* () {
        const { sharedId, tell, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const events = yield* Effect.orDie(viewer.client.events.watch({ headers: {}, query: {} }))
        const first = yield* Effect.forkScoped(Stream.runHead(events))
        yield* tell(sharedId)
        const [row] = yield* sql<{
          id: string
        }>`SELECT transaction_id || '-' || id AS id FROM events ORDER BY events.id DESC`
        assert.deepStrictEqual(Option.getOrUndefined(yield* Fiber.join(first)), {
          id: EventPosition.make(row?.id ?? ""),
          event: "media.updated",
          data: { mediaId: sharedId }
        })
      }).pipe(Effect.scoped)
    )

    it.effect("are opened by a ticket once, within its time, at any server, as long as its session lives [V3]", () =>
      Effect.gen(function* () {
        const { replicas, sharedId, tell, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const { ticket } = yield* ticketFor(viewer.token)
        const tries = yield* Effect.forEach(
          [replicas.one, replicas.two, replicas.one, replicas.two],
          (server) => openByTicket(ticket, server),
          { concurrency: "unbounded" }
        )
        assert.deepStrictEqual(tries.map(({ status }) => status).toSorted(), [200, 401, 401, 401])
        const stream = tries.find(({ status }) => status === 200)
        yield* tell(sharedId)
        if (stream !== undefined) yield* EventStreams.seen(stream, 1)
        assert.strictEqual((yield* openByTicket(ticket, replicas.two)).status, 401)

        const late = yield* ticketFor(viewer.token)
        yield* sql`UPDATE event_tickets SET expires_at = now()`
        assert.strictEqual((yield* openByTicket(late.ticket, replicas.two)).status, 401)
        // What has run out goes with the next one.
        yield* ticketFor(viewer.token)
        const [left] = yield* sql<{ count: number }>`SELECT count(*)::int AS count FROM event_tickets`
        assert.strictEqual(left?.count, 1)

        const leaver = yield* replicas.one.signIn("viewer", Replicas.password)
        const { ticket: orphan } = yield* ticketFor(leaver.token)
        yield* Effect.orDie(leaver.client.auth.logout())
        assert.strictEqual((yield* openByTicket(orphan, replicas.two)).status, 401)
        assert.strictEqual((yield* openByTicket("made-up", replicas.one)).status, 401)
        // It opens no other door.
        const other = yield* ticketFor(viewer.token)
        assert.strictEqual((yield* replicas.one.request(`/media?ticket=${other.ticket}`)).status, 401)
        assert.strictEqual((yield* replicas.one.request("/media", { token: other.ticket })).status, 401)
      }).pipe(Effect.scoped)
    )

    it.effect("end with their session, their key, and when their user may do more or less [V4]", () =>
      Effect.gen(function* () {
        const { admin, owner, privateId, replicas, sharedId, tell } = yield* EventWorld
        const leaver = yield* replicas.one.signIn("owner", Replicas.password)
        const key = yield* Effect.orDie(
          owner.client.apiKeys.create({ payload: { name: "a key", permissions: ["media:read"] } })
        )
        const stays = yield* EventStreams.open(replicas.two.address, { token: owner.token })
        const left = yield* EventStreams.open(replicas.two.address, { token: leaver.token })
        const byKey = yield* EventStreams.open(replicas.two.address, { token: Redacted.value(key.key) })
        yield* tell(privateId)
        for (const stream of [stays, left, byKey]) yield* EventStreams.seen(stream, 1)

        yield* Effect.orDie(leaver.client.auth.logout())
        yield* Effect.orDie(owner.client.apiKeys.revoke({ params: { id: key.id } }))
        yield* tell(sharedId)
        for (const stream of [left, byKey]) {
          assert.strictEqual(yield* EventStreams.over(stream, 5), "ended")
          assert.strictEqual(stream.events.length, 1)
        }
        yield* EventStreams.seen(stays, 2)

        yield* Effect.orDie(
          admin.client.users.setRoles({
            params: { id: owner.tokens.user.id },
            payload: { roles: ["viewer", "curator"] }
          })
        )
        assert.strictEqual(yield* EventStreams.over(stays, 5), "ended")
        const more = yield* EventStreams.open(replicas.two.address, { token: owner.token, lastEventId: stays.lastId() })
        yield* Effect.orDie(
          admin.client.users.setRoles({ params: { id: owner.tokens.user.id }, payload: { roles: ["viewer"] } })
        )
        assert.strictEqual(yield* EventStreams.over(more, 5), "ended")
      }).pipe(Effect.scoped)
    )

    it.effect("of an item that became private are not told any more, nor repeated, to who lost sight of it [V1]", () =>
      Effect.gen(function* () {
        const { admin, replicas, sharedId, tell, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const start = yield* here
        const live = yield* EventStreams.open(replicas.one.address, { token: viewer.token })
        yield* tell(sharedId)
        yield* EventStreams.seen(live, 1)
        yield* sql`UPDATE media_items SET visibility = 'private' WHERE id = ${sharedId}`
        yield* tell(sharedId)
        const others = yield* EventStreams.open(replicas.one.address, { token: admin.token, lastEventId: start })
        yield* EventStreams.seen(others, 2)
        const again = yield* EventStreams.open(replicas.two.address, { token: viewer.token, lastEventId: start })
        yield* sql`UPDATE media_items SET visibility = 'shared' WHERE id = ${sharedId}`
        yield* tell(sharedId)
        for (const stream of [live, again]) yield* EventStreams.seen(stream, live === stream ? 2 : 1)
        assert.strictEqual(live.events.length, 2)
        assert.strictEqual(again.events.length, 1)
      }).pipe(Effect.scoped)
    )

    it.effect("are refused with an id that is none, and told to be gone where they are [V2]", () =>
      Effect.gen(function* () {
        const { replicas, sharedId, tell, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const maintenance = yield* Maintenance
        const ask = (lastEventId: string) =>
          EventStreams.open(replicas.one.address, { token: viewer.token, lastEventId })
        const start = yield* here
        for (const bad of [
          "1",
          "a-b",
          "1-2-3",
          "-1-2",
          "1-99999999999999999999",
          "99999999999999999999999-1",
          "1-2;",
          "  "
        ]) {
          const stream = yield* ask(bad)
          yield* EventStreams.over(stream)
          assert.strictEqual(stream.status, 400, bad)
          assert.strictEqual((yield* problemOf(stream.text())).type, "urn:joy:invalid-request")
        }
        const byQuery = yield* EventStreams.open(replicas.one.address, {
          token: viewer.token,
          query: `?lastEventId=${start}`
        })
        assert.strictEqual(byQuery.status, 200)

        yield* tell(sharedId)
        yield* EventStreams.seen(byQuery, 1)
        const seen = byQuery.events[0]?.id ?? ""
        yield* sql`UPDATE events SET created_at = now() - interval '8 days'`
        yield* tell(sharedId)
        yield* maintenance.hourly
        yield* EventStreams.seen(byQuery, 2)
        for (const gone of [start, "1-1", `${2n ** 62n}-1`]) {
          const stream = yield* ask(gone)
          yield* EventStreams.over(stream)
          assert.strictEqual(stream.status, 410, gone)
          assert.strictEqual((yield* problemOf(stream.text())).type, "urn:joy:events-expired")
        }
        // Nothing that came after these is missing.
        for (const [held, count] of [
          [seen, 1],
          [byQuery.lastId() ?? "", 0]
        ] as const) {
          const stream = yield* ask(held)
          assert.strictEqual(stream.status, 200)
          yield* EventStreams.seen(stream, count)
        }
      }).pipe(Effect.scoped)
    )

    it.effect("wait in the table for who takes none of them, while others go on [V5]", () =>
      Effect.gen(function* () {
        const { replicas, sharedId, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const slow = yield* EventStreams.open(replicas.one.address, { token: viewer.token })
        const quick = yield* EventStreams.open(replicas.one.address, { token: viewer.token })
        yield* slow.pause
        const many = 60_000
        const before = residentBytes(replicas.one.joy.pid)
        for (let from = 0; from < many; from += 10_000) {
          yield* sql`
            WITH told AS (
              INSERT INTO events (name, data)
              SELECT 'media.updated', jsonb_build_object('mediaId', ${sharedId}::text) FROM generate_series(1, 10000)
            )
            SELECT pg_notify('joy_events', '')`
        }
        yield* EventStreams.seen(quick, many, 60)
        // What they are told is 8 MB, of which the slow one's connection holds a little.
        assert.isBelow(slow.events.length, many / 2)
        assert.isBelow(residentBytes(replicas.one.joy.pid) - before, 150e6)
        yield* slow.resume
        yield* EventStreams.seen(slow, many, 60)
        assert.deepStrictEqual(
          slow.events.map(({ id }) => id),
          quick.events.map(({ id }) => id)
        )
      }).pipe(Effect.scoped)
    )

    it.effect("come although the line that news come by is dead, or Postgres was restarted [V2]", () =>
      Effect.gen(function* () {
        const { replicas, sharedId, tell, viewer } = yield* EventWorld
        const { restart } = yield* OwnPostgres
        const stream = yield* EventStreams.open(replicas.one.address, { token: viewer.token })
        yield* replicas.one.postgres.freeze('LISTEN "joy_events"')
        yield* tell(sharedId)
        yield* EventStreams.seen(stream, 1, 10)
        yield* replicas.one.postgres.breakOff('LISTEN "joy_events"')
        yield* tell(sharedId)
        yield* EventStreams.seen(stream, 2, 10)
        yield* restart
        yield* Joy.until(Effect.exit(tell(sharedId)), (exit) => exit._tag === "Success")
        yield* EventStreams.seen(stream, 3, 30)
        assert.strictEqual(stream.over(), null)
      }).pipe(Effect.scoped)
    )

    it.effect("have 32 streams of one user at one server at most", () =>
      Effect.gen(function* () {
        const { owner, replicas, viewer } = yield* EventWorld
        const streams = yield* Effect.forEach(
          Array.from({ length: 40 }),
          () => EventStreams.open(replicas.two.address, { token: viewer.token }),
          { concurrency: "unbounded" }
        )
        assert.strictEqual(streams.filter(({ status }) => status === 200).length, 32)
        const refused = streams.filter(({ status }) => status === 429)
        assert.strictEqual(refused.length, 8)
        assert.strictEqual(refused[0]?.headers["retry-after"], "30")
        assert.strictEqual((yield* EventStreams.open(replicas.two.address, { token: owner.token })).status, 200)
        for (const stream of streams) yield* stream.cut
        yield* Joy.until(
          Effect.map(
            Effect.scoped(EventStreams.open(replicas.two.address, { token: viewer.token })),
            ({ status }) => status
          ),
          (status) => status === 200
        )
      }).pipe(Effect.scoped)
    )

    it.effect("end when the server is stopped, which does not wait for them [V2]", () =>
      Effect.gen(function* () {
        const { replicas, sharedId, tell, viewer } = yield* EventWorld
        const third = yield* replicas.start()
        const streams = yield* Effect.forEach(Array.from({ length: 5 }), () =>
          EventStreams.open(third.address, { token: viewer.token })
        )
        yield* tell(sharedId)
        for (const stream of streams) yield* EventStreams.seen(stream, 1)
        const { code, millis } = yield* third.joy.stop("SIGTERM")
        assert.strictEqual(code, 0)
        assert.isBelow(millis, 8000)
        for (const stream of streams) assert.strictEqual(yield* EventStreams.over(stream), "ended")
        yield* tell(sharedId)
        const elsewhere = yield* EventStreams.open(replicas.one.address, {
          token: viewer.token,
          lastEventId: streams[0]?.lastId()
        })
        yield* EventStreams.seen(elsewhere, 1)
      }).pipe(Effect.scoped)
    )

    it.effect("are read from the table once for all who listen [V5]", () =>
      Effect.gen(function* () {
        const { owner, replicas, sharedId, tell, viewer } = yield* EventWorld
        const sql = yield* SqlClient.SqlClient
        const streams = yield* Effect.forEach(
          Array.from({ length: 60 }, (_, n) => (n % 2 === 0 ? viewer : owner).token),
          (token) => EventStreams.open(replicas.one.address, { token }),
          { concurrency: 8 }
        )
        const listening = sql<{ readonly count: number }>`
          SELECT count(*)::int AS count FROM pg_stat_activity WHERE query LIKE 'LISTEN%joy_events%'`
        assert.strictEqual((yield* listening)[0]?.count, 2)
        const reads = Effect.map(
          sql<{ readonly count: number }>`
            SELECT (idx_scan + seq_scan)::int AS count FROM pg_stat_user_tables WHERE relname = 'events_pruned'`,
          ([row]) => row?.count ?? 0
        )
        const settled = Effect.gen(function* () {
          for (const stream of streams) yield* EventStreams.seen(stream, 1)
          yield* sql`SELECT pg_stat_clear_snapshot()`
          return yield* reads
        })
        yield* tell(sharedId)
        const before = yield* settled
        for (let n = 0; n < 20; n++) yield* tell(sharedId)
        for (const stream of streams) yield* EventStreams.seen(stream, 21)
        // Both servers look once a second as well. What they did is counted a moment later.
        const after = yield* Joy.until(reads, (count) => count >= before + 10)
        assert.isBelow(after - before, 120)
      }).pipe(Effect.scoped)
    )
  })
})

import { assert, layer } from "@effect/vitest"
import { faketime } from "@joy/testing/Executables"
import * as Joy from "@joy/testing/Joy"
import { describeWith } from "@joy/testing/Needs"
import * as RefreshRaces from "@joy/testing/RefreshRaces"
import * as Replicas from "@joy/testing/Replicas"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import { afterAll } from "vitest"

import { type Client, FaultWatch, report, sessionIdOf } from "./FaultWatch.ts"

const graceMillis = 2_000

const world = Layer.effect(
  Replicas.Replicas,
  Effect.flatMap(TestDatabase.TestDatabase, ({ url }) => Replicas.make(url, { REFRESH_GRACE: `${graceMillis}ms` }))
).pipe(Layer.provideMerge(TestDatabase.layerEmpty))

const watching = Effect.fnUntraced(function* (fault: string) {
  const replicas = yield* Replicas.Replicas
  return { ...replicas, watch: new FaultWatch(fault, [replicas.one, replicas.two]) }
})

/** An account with the administrator's password, without the cost of its hash. */
const newAccount = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const id = SecureRandom.uuidV7Unsafe()
  yield* sql`INSERT INTO users (id, username, username_key, password_hash)
    SELECT ${id}::uuid, ${id}::text, ${id}::text, password_hash FROM users WHERE username = 'admin'`
  return id
}).pipe(Effect.orDie)

/** Refreshes with the same token at once, on all servers in turn; whoever got something has it in their hands. */
const refreshTogether = (watch: FaultWatch, client: Client, times: number) =>
  Effect.forEach(
    Array.from({ length: times }, () => ({ ...client })),
    (each, turn) => Effect.map(watch.refresh(watch.at(turn), each), (status) => ({ ...each, status })),
    { concurrency: "unbounded" }
  )

afterAll(report)

describeWith(["redis"], "Sessions on two servers", () => {
  layer(world, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("have one successor, however many show one token to both [R5, R8]", () =>
      Effect.gen(function* () {
        const { one, watch } = yield* watching("50 refreshes of one token")
        for (let round = 0; round < 3; round++) {
          const client = yield* watch.signIn(one)
          const all = yield* refreshTogether(watch, client, 50)
          assert.deepStrictEqual(new Set(all.map(({ status }) => status)), new Set([200]))
          assert.strictEqual(new Set(all.map(({ refresh }) => refresh)).size, 1)
          yield* watch.expectWell({ ...client, ...all[7] })
        }
        watch.assertRight()
      })
    )

    it.effect("let others go on while 500 refresh one of them [R23]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("500 refreshes of one session")
        const { watch: others } = yield* watching("others meanwhile")
        const [busy, other] = [yield* watch.signIn(one), yield* others.signIn(two)]
        const sql = yield* SqlClient.SqlClient
        // Whoever rotates it waits for its row as long as this transaction is open.
        const refreshing = yield* Effect.gen(function* () {
          yield* sql`SELECT 1 FROM sessions WHERE id = ${sessionIdOf(busy)} FOR UPDATE`
          const refreshing = yield* Effect.forkScoped(refreshTogether(watch, busy, 500))
          yield* Joy.until(
            Effect.sync(() => watch.begun),
            (begun) => begun >= 500
          )
          for (let turn = 0; turn < 20; turn++) {
            assert.strictEqual(yield* others.expectLive(others.at(turn), other), 200)
            assert.strictEqual(yield* others.refresh(others.at(turn), other), 200)
          }
          return refreshing
        }).pipe(sql.withTransaction)
        const all = yield* Fiber.join(refreshing)
        assert.strictEqual(new Set(all.map(({ refresh }) => refresh)).size, 1)
        watch.assertRight()
        others.assertRight()
      }).pipe(Effect.scoped)
    )

    it.effect("are over for good when refreshes meet their end, whichever way it comes [R10, R14, P14]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("refreshes against logout")
        const ends = [
          { path: "/auth/logout", body: undefined },
          { path: "/auth/logout-all", body: undefined },
          {
            path: "/auth/password",
            body: { currentPassword: Replicas.password, newPassword: "another phrase, longer" }
          }
        ]
        for (let round = 0; round < 12; round++) {
          const { body, path } = ends[round % 3] ?? { path: "", body: undefined }
          const account = yield* newAccount
          const client = yield* watch.signIn(one, account)
          // A change of password keeps the session that asks for it.
          const asking = path === "/auth/password" ? yield* watch.signIn(two, account) : client
          const servers = round % 2 === 0 ? [one, two] : [two, one]
          const [all, end] = yield* Effect.all(
            [
              Effect.forEach(
                Array.from({ length: 8 }, () => ({ ...client })),
                (each, turn) =>
                  Effect.as(
                    watch.ask(watch.at(turn), "/auth/refresh", {
                      method: "POST",
                      body: { refreshToken: each.refresh }
                    }),
                    each
                  ),
                { concurrency: "unbounded" }
              ),
              watch.ask(servers[0] ?? one, path, { method: "POST", token: asking.access, body })
            ],
            { concurrency: "unbounded" }
          )
          assert.strictEqual(end.status, 204, end.text)
          for (const each of all) yield* watch.expectEnded(each)
          for (const server of servers) {
            const { status } = yield* watch.ask(server, "/auth/refresh", {
              method: "POST",
              body: { refreshToken: client.refresh }
            })
            assert.strictEqual(status, 401)
          }
        }
        watch.assertRight()
      })
    )

    it.effect("are known, and known to be over, to a server that has just started [R21, R22]", () =>
      Effect.gen(function* () {
        const { one, start, two, watch } = yield* watching("a server with a cold cache")
        const [live, over] = [yield* watch.signIn(one), yield* watch.signIn(two)]
        for (const client of [live, over]) yield* watch.expectLive(one, client)
        yield* one.redis.cut
        yield* watch.end(one, over)
        yield* one.redis.restore
        watch.servers = [...watch.servers, yield* start()]
        yield* watch.expectEnded(over)
        yield* watch.expectWell(live)
        yield* watch.end(two, live)
        watch.assertRight()
      }).pipe(Effect.scoped)
    )

    it.effect("survive a rolling restart under load, with no other error than 503", () =>
      Effect.gen(function* () {
        const { start, two, watch } = yield* watching("SIGTERM under load")
        const old = yield* start()
        watch.servers = [old, two]
        yield* watch.underLoad(
          Effect.gen(function* () {
            yield* Effect.sleep("500 millis")
            const next = yield* start()
            watch.servers = [two, next]
            const ended = yield* old.joy.stop("SIGTERM")
            assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
          })
        )
        // What was on its way to the one that stopped: no answer is none that is wrong.
        watch.assertRight({ unavailable: true, broken: / 0 (ECONNREFUSED|ECONNRESET)/ })
      }).pipe(Effect.scoped)
    )

    it.effect("pass a sample of the refresh races of the soak [R4, R5, R8, R9]", () =>
      Effect.gen(function* () {
        const { one, two } = yield* Replicas.Replicas
        const verdict = yield* RefreshRaces.run({
          servers: [one.address, two.address],
          sql: yield* SqlClient.SqlClient,
          identifier: "admin",
          password: Replicas.password,
          graceMillis,
          races: 48,
          seed: 1
        })
        assert.deepStrictEqual(verdict.wrong, [])
        assert.deepStrictEqual([verdict.races, verdict.ended], [48, verdict.families])
      })
    )
  })
})

// Of their own: what is shared ends with the tests that stand directly in its block.
describeWith(["redis", "faketime"], "Sessions on two servers whose clocks differ", () => {
  layer(world, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect(
      "are live and over at the same time on all of them, five minutes early and late [R11, R22]",
      () =>
        Effect.gen(function* () {
          const { one, start, watch } = yield* watching("clocks 5 minutes off, both ways")
          const at = (offset: string) =>
            start({
              LD_PRELOAD: faketime() ?? "",
              FAKETIME: offset,
              // Timers go by the time since the start, which no administrator sets.
              FAKETIME_DONT_FAKE_MONOTONIC: "1"
            })
          const [early, late] = yield* Effect.all([at("-5m"), at("+5m")], { concurrency: 2 })
          watch.servers = [one, early, late]
          for (const server of watch.servers) {
            const client = yield* watch.signIn(server)
            for (const there of watch.servers) {
              assert.strictEqual(yield* watch.expectLive(there, client), 200)
              assert.strictEqual(yield* watch.refresh(there, client), 200)
            }
            yield* watch.expectWell(client)
            yield* watch.end(server, client)
          }
          yield* watch.underLoad(Effect.sleep("2 seconds"))
          // They do have another clock.
          const dates = yield* Effect.forEach(watch.servers, (server) => watch.ask(server, "/health/live"))
          const times = dates.map(({ headers }) => Date.parse(headers.date ?? "") / 60_000)
          assert.deepStrictEqual(
            times.map((minutes) => Math.round(minutes - (times[0] ?? 0))),
            [0, -5, 5]
          )
          watch.assertRight()
        }).pipe(Effect.scoped),
      // Under libfaketime a start takes several times as long.
      180_000
    )
  })
})

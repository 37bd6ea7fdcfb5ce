import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import * as Database from "@joy/server/Database"
import * as EmbeddedPostgres from "@joy/server/postgres/EmbeddedPostgres"
import * as Joy from "@joy/testing/Joy"
import { describeWith } from "@joy/testing/Needs"
import * as Replicas from "@joy/testing/Replicas"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"
import { afterAll } from "vitest"

import { type Client, FaultWatch, report, sessionIdOf } from "./FaultWatch.ts"

/** A Postgres of this file's own, which can be stopped without anybody else noticing. It keeps its port. */
class Postgres extends Context.Service<
  Postgres,
  {
    readonly stop: Effect.Effect<void>
    readonly start: Effect.Effect<void>
  }
>()("@joy/server/test/Postgres") {
  static readonly layer = Layer.effectContext(
    Effect.gen(function* () {
      const folder = yield* Joy.folder
      const parent = yield* Effect.scope
      let running = yield* Scope.fork(parent)
      const start = Effect.suspend(() =>
        EmbeddedPostgres.start({ dataDir: join(folder, "postgres"), durable: false }).pipe(
          Scope.provide(running),
          Effect.orDie
        )
      )
      const { url } = yield* start
      const direct = yield* Layer.build(Layer.orDie(Database.layerFromUrl({ url, maxConnections: 3 })))
      return Context.make(Postgres, {
        stop: Effect.suspend(() => Scope.close(running, Exit.void)),
        start: Effect.flatMap(Scope.fork(parent), (scope) => {
          running = scope
          return Effect.asVoid(start)
        })
      }).pipe(Context.merge(direct), Context.add(Replicas.Replicas, yield* Replicas.make(url)))
    })
  )
}

const watching = Effect.fnUntraced(function* (fault: string) {
  const replicas = yield* Replicas.Replicas
  return { ...replicas, watch: new FaultWatch(fault, [replicas.one, replicas.two]) }
})

const latch = 4711

/** Makes every change of this column of sessions stop after its UPDATE, in the COMMIT, until it is let go. */
const commitsStop = Effect.fnUntraced(function* (column: "token_hash" | "revoked_at") {
  const sql = yield* SqlClient.SqlClient
  const [locked, release] = [yield* Deferred.make<void>(), yield* Deferred.make<void>()]
  yield* sql`CREATE OR REPLACE FUNCTION stop_commit() RETURNS trigger LANGUAGE plpgsql AS
    ${sql.literal(`$$ BEGIN PERFORM pg_advisory_xact_lock(${latch}); RETURN NULL; END $$`)}`
  yield* sql`CREATE CONSTRAINT TRIGGER stop_commit AFTER UPDATE OF ${sql(column)} ON sessions
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION stop_commit()`
  yield* Effect.addFinalizer(() => Effect.orDie(sql`DROP TRIGGER stop_commit ON sessions`))
  const holding = yield* Effect.forkScoped(
    sql`SELECT pg_advisory_xact_lock(${latch})`.pipe(
      Effect.andThen(Deferred.succeed(locked, undefined)),
      Effect.andThen(Deferred.await(release)),
      sql.withTransaction
    )
  )
  yield* Deferred.await(locked)
  return {
    /** The backend that waits for the latch, once one does. */
    stopped: Joy.until(
      sql<{ readonly pid: number }>`
        SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = ${latch} AND NOT granted`,
      (rows) => rows.length === 1
    ).pipe(Effect.map(([row]) => row?.pid ?? 0)),
    letGo: Effect.andThen(Deferred.succeed(release, undefined), Fiber.await(holding))
  }
}, Effect.orDie)

const counterOf = Effect.fnUntraced(function* (client: Client) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly counter: number }>`
    SELECT counter FROM sessions WHERE id = ${sessionIdOf(client)} AND revoked_at IS NULL`
  return rows[0]?.counter ?? -1
}, Effect.orDie)

/** Waits until both servers hear everything, under other names than these; gives their names. */
const bothTrust = Effect.fnUntraced(function* (except: ReadonlyArray<string>) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* Joy.until(
    sql<{ readonly id: string }>`
      SELECT id FROM session_listeners WHERE trusts_until > clock_timestamp() AND NOT id = ANY(${except}::uuid[])`,
    ({ length }) => length === 2,
    { seconds: 15, what: "servers that hear" }
  )
  return rows.map(({ id }) => id)
}, Effect.orDie)

const refreshWith = (token: string) => ({ method: "POST", body: { refreshToken: token } })

afterAll(report)

describeWith(["redis"], "Sessions, when Postgres", () => {
  layer(Postgres.layer, { excludeTestServices: true, timeout: "120 seconds" })((it) => {
    it.effect("is killed between UPDATE and COMMIT, keep the token that was shown [R6, R9]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("backend killed between UPDATE and COMMIT")
        const sql = yield* SqlClient.SqlClient
        const client = yield* watch.signIn(one)
        const shown = client.refresh
        const { letGo, stopped } = yield* commitsStop("token_hash")
        const refreshing = yield* Effect.forkChild(watch.ask(one, "/auth/refresh", refreshWith(shown)))
        yield* sql`SELECT pg_terminate_backend(${yield* stopped}::int)`
        const lost = yield* Fiber.join(refreshing)
        assert.strictEqual(lost.status, 503, lost.text)
        assert.property(lost.headers, "retry-after")
        assert.strictEqual(yield* counterOf(client), 0)
        yield* letGo
        assert.strictEqual(yield* watch.refresh(two, client), 200)
        assert.strictEqual(yield* counterOf(client), 1)
        yield* watch.expectWell(client)
        watch.assertRight({ unavailable: true })
      }).pipe(Effect.scoped)
    )

    it.effect("is lost after COMMIT and before the answer, give the successor again to who retries [R6, R9]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("connection lost after COMMIT")
        const client = yield* watch.signIn(one)
        const shown = client.refresh
        const { letGo, stopped } = yield* commitsStop("token_hash")
        const refreshing = yield* Effect.forkChild(watch.ask(one, "/auth/refresh", refreshWith(shown)))
        yield* stopped
        yield* one.postgres.loseAnswers()
        yield* letGo
        yield* Joy.until(counterOf(client), (counter) => counter === 1)
        yield* one.postgres.restore
        const lost = yield* Fiber.join(refreshing)
        assert.strictEqual(lost.status, 503, lost.text)
        const retried = { ...client }
        assert.strictEqual(yield* watch.refresh(two, client), 200)
        assert.strictEqual(yield* watch.refresh(one, retried), 200)
        assert.strictEqual(retried.refresh, client.refresh)
        assert.strictEqual(yield* counterOf(client), 1)
        yield* watch.expectWell(client)
        watch.assertRight({ unavailable: true })
      }).pipe(Effect.scoped)
    )

    it.effect("is lost after the COMMIT of an end, answer for it only when it holds [R13, R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("connection lost after the COMMIT of an end")
        const client = yield* watch.signIn(two)
        yield* watch.expectLive(two, client)
        yield* watch.expectLive(one, client)
        const { letGo, stopped } = yield* commitsStop("revoked_at")
        const end = watch.ask(one, "/auth/logout", { method: "POST", token: client.access })
        const ending = yield* Effect.forkChild(end)
        yield* stopped
        yield* one.postgres.loseAnswers()
        yield* letGo
        yield* Joy.until(counterOf(client), (counter) => counter === -1)
        yield* one.postgres.restore
        assert.strictEqual((yield* Fiber.join(ending)).status, 503)
        // Whoever asks again hears that it is done, or that there is nothing left to do; then it holds everywhere.
        yield* Joy.until(end, ({ status }) => status === 204 || status === 401)
        yield* watch.expectEnded(client)
        watch.assertRight({ unavailable: true })
      }).pipe(Effect.scoped)
    )

    it.effect("breaks the line of announcements off, again and again, are ended all the same [R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("LISTEN cut every 300 ms")
        yield* watch.underLoad(
          Effect.forEach([one, two], ({ postgres }) => postgres.breakOff('LISTEN "joy_sessions"')).pipe(
            Effect.andThen(Effect.sleep("300 millis")),
            Effect.forever,
            Effect.timeoutOption("3 seconds")
          )
        )
        watch.assertRight()
      })
    )

    it.effect("lets the line of announcements die without a sign, hear on another soon [R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("LISTEN dead without a sign")
        const before = yield* bothTrust([])
        yield* Effect.forEach([one, two], ({ postgres }) => postgres.freeze('LISTEN "joy_sessions"'))
        yield* watch.underLoad(bothTrust(before))
        yield* Effect.forEach([one, two], ({ postgres }) => postgres.restore)
        watch.assertRight({ unavailable: true })
      })
    )

    it.effect("and Redis both tell nobody anything, are ended all the same [R21, R22]", () =>
      Effect.gen(function* () {
        const { one, two, watch } = yield* watching("Redis cut, LISTEN held without a sign")
        const both = [one, two]
        yield* bothTrust([])
        yield* watch.underLoad(
          Effect.gen(function* () {
            yield* Effect.forEach(both, ({ redis }) => redis.cut)
            yield* Effect.forEach(both, ({ postgres }) => postgres.loseAnswers('LISTEN "joy_sessions"'))
            yield* Effect.sleep("4 seconds")
            yield* Effect.forEach(both, ({ redis }) => redis.restore)
            yield* Effect.forEach(both, ({ postgres }) => postgres.restore)
          })
        )
        watch.assertRight({ unavailable: true })
      })
    )

    it.effect("restarts under load, are all there when it is back [R6, R9]", () =>
      Effect.gen(function* () {
        const { watch } = yield* watching("Postgres restarted")
        const { start, stop } = yield* Postgres
        yield* watch.underLoad(
          Effect.gen(function* () {
            yield* Effect.sleep("500 millis")
            yield* stop
            yield* Effect.sleep("500 millis")
            yield* start
            yield* Effect.sleep("1 second")
          })
        )
        watch.assertRight({ unavailable: true })
      })
    )
  })
})

import { assert, layer } from "@effect/vitest"
import { Overview } from "@joy/ingest/IngestOverview"
import { lives } from "@joy/ingest/RunnerRegistry"
import * as Joy from "@joy/testing/Joy"
import * as JoyHttp from "@joy/testing/JoyHttp"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import { OwnPostgres } from "@joy/testing/OwnPostgres"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import {
  ClusterWorld,
  corpus,
  count,
  isReady,
  picture,
  type Runner,
  runners,
  toldTwice,
  undone
} from "./ClusterWorld.ts"

const size = 80

const finished = (prefix: string, files = size) =>
  Joy.until(undone(prefix, files), (left) => left === 0, { seconds: 150, what: "work left" })

const started = (wanted: number) =>
  Joy.until(runners, (found) => found.length === wanted && found.every(({ shards }) => shards > 20), {
    seconds: 60,
    what: `${wanted} runners with shards`
  })

/** What one runner makes of the same files when nobody disturbs it. */
const clean = Effect.gen(function* () {
  const { put, start } = yield* ClusterWorld
  yield* put("clean/", yield* corpus(size))
  const runner = yield* start()
  yield* finished("clean/")
  yield* runner.joy.stop("SIGTERM")
  return yield* picture("clean/")
}).pipe(Effect.scoped, Effect.provide(Layer.fresh(ClusterWorld.layer)))

const pair = Effect.gen(function* () {
  const { start } = yield* ClusterWorld
  const both = yield* Effect.all([start(), start()], { concurrency: 2 })
  yield* started(2)
  return both
})

const outcome = Effect.fnUntraced(function* (prefix: string, expected: Effect.Success<typeof clean>) {
  yield* finished(prefix)
  assert.deepStrictEqual(yield* picture(prefix), expected)
  assert.strictEqual(yield* toldTwice, 0)
})

describeWith(["s3", "ffmpeg"], "joy ingest, several of them", () => {
  layer(ClusterWorld.layer, { excludeTestServices: true, timeout: "240 seconds" })(
    "on one database and one bucket",
    (it) => {
      let known: Effect.Success<typeof clean> | undefined
      const expected = Effect.suspend(() => (known === undefined ? clean : Effect.succeed(known))).pipe(
        Effect.tap((picture) => Effect.sync(() => (known = picture)))
      )

      it.effect(
        "share the work; what one was at when it is killed is taken over, once",
        () =>
          Effect.gen(function* () {
            assert.lengthOf(yield* expected, size)
            const { put } = yield* ClusterWorld
            const [first, second] = yield* pair
            assert.deepStrictEqual([yield* isReady(first), yield* isReady(second)], [true, true])
            yield* put("killed/", yield* corpus(size))
            yield* Joy.until(runners, (found) => found.length === 2 && found.every(({ inHand }) => inHand > 0), {
              what: "two runners at work"
            })
            yield* Joy.until(count("killed/", "ready"), (ready) => ready > 10)
            const killedAt = performance.now()
            yield* first.joy.kill
            yield* Joy.until(runners, (found) => found.length === 1 && found[0]?.shards === 300, {
              what: "one runner with all shards"
            })
            const takeover = performance.now() - killedAt
            yield* Console.log(`Takeover after kill -9: ${(takeover / 1000).toFixed(1)} s`)
            assert.isBelow(takeover, 20_000)
            yield* outcome("killed/", yield* expected)
            yield* second.joy.stop("SIGTERM")
          }).pipe(Effect.scoped),
        { timeout: 300_000 }
      )

      it.effect(
        "take over from one that is frozen, which then comes back and is one of them again",
        () =>
          Effect.gen(function* () {
            const { put } = yield* ClusterWorld
            const [first, second] = yield* pair
            yield* put("frozen/", yield* corpus(size))
            yield* Joy.until(runners, (found) => found.length === 2 && found.every(({ inHand }) => inHand > 0), {
              what: "two runners at work"
            })
            const frozenAt = performance.now()
            process.kill(first.joy.pid, "SIGSTOP")
            // Its connections are open, and its locks its own, until the database ends what has been silent for too long.
            yield* Joy.until(runners, (found) => found.some(({ shards, silent }) => shards === 300 && !silent), {
              seconds: 60,
              what: "one runner with all shards"
            })
            const takeover = performance.now() - frozenAt
            yield* Console.log(`Takeover from a frozen one: ${(takeover / 1000).toFixed(1)} s`)
            assert.isBelow(takeover, 20_000)
            yield* finished("frozen/")
            process.kill(first.joy.pid, "SIGCONT")
            yield* started(2)
            for (const runner of [first, second]) {
              yield* Joy.until(isReady(runner), (ready) => ready, { seconds: 60 })
            }
            yield* outcome("frozen/", yield* expected)
            // What they still had to tell each other does not keep them.
            const ends = yield* Effect.all([first.joy.stop("SIGTERM"), second.joy.stop("SIGTERM")], { concurrency: 2 })
            for (const { code, millis } of ends) {
              assert.strictEqual(code, 0)
              assert.isBelow(millis, 15_000)
            }
          }).pipe(Effect.scoped),
        { timeout: 300_000 }
      )

      it.effect(
        "are restarted one after the other under load, and finish the steps that they are at",
        () =>
          Effect.gen(function* () {
            const { put, start } = yield* ClusterWorld
            let [first, second] = yield* pair
            yield* put("rolled/", yield* corpus(size))
            const roll = Effect.fnUntraced(function* (runner: Runner) {
              yield* Joy.until(runners, (found) => found.some(({ inHand }) => inHand > 0))
              const ended = yield* runner.joy.stop("SIGTERM")
              assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
              yield* Console.log(`Stopped within ${(ended.millis / 1000).toFixed(1)} s`)
              assert.isBelow(ended.millis, 15_000)
              const next = yield* start()
              yield* Joy.until(isReady(next), (ready) => ready)
              return next
            })
            first = yield* roll(first)
            second = yield* roll(second)
            yield* outcome("rolled/", yield* expected)
            yield* Effect.all([first.joy.stop("SIGTERM"), second.joy.stop("SIGTERM")], { concurrency: 2 })
          }).pipe(Effect.scoped),
        { timeout: 300_000 }
      )

      it.effect(
        "lose nothing and do nothing twice, killed at twenty random moments",
        () =>
          Effect.gen(function* () {
            const { put, start } = yield* ClusterWorld
            const living = [...(yield* pair)]
            const files = yield* corpus(size)
            const share = size / 20
            for (let kill = 0; kill < 20; kill++) {
              yield* put("random/", files.slice(kill * share, (kill + 1) * share))
              yield* Effect.sleep(yield* Random.nextIntBetween(50, 1200))
              const victim = living.splice(yield* Random.nextIntBetween(0, 2), 1)
              for (const { joy } of victim) yield* joy.kill
              living.push(yield* start())
            }
            const before = yield* undone("random/", size)
            yield* outcome("random/", yield* expected)
            yield* Console.log(`20 kills, ${before} of ${size} left after the last; lost 0, doubled 0, stuck 0`)
            for (const { joy } of living) yield* joy.stop("SIGTERM")
          }).pipe(Effect.scoped),
        { timeout: 300_000 }
      )

      it.effect(
        "answer what is asked of them: who works, what is to be made anew, how it goes",
        () =>
          Effect.gen(function* () {
            const { env, folder, put } = yield* ClusterWorld
            const sql = yield* SqlClient.SqlClient
            const command = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
              const ended = yield* Joy.run(["ingest", ...args], { env, cwd: folder })
              assert.deepStrictEqual({ code: ended.code, stderr: ended.stderr }, { code: 0, stderr: "" })
              return ended.stdout
            })
            assert.notMatch(yield* command("status"), / working /)
            const [first] = yield* pair
            yield* put("asked/", yield* corpus(8))
            yield* finished("asked/", 8)
            // Runners say every second what they are at.
            const atRest = /^localhost:\d+ +working +\d+ +0 +2 /m
            const text = yield* Joy.until(command("status"), (text) => atRest.test(text))
            assert.match(text, /RUNNER +STATE +SHARDS/)
            assert.match(text, /^Failures +\d+ \(probe \d+\)$/m)
            const overview = yield* Effect.orDie(
              Schema.decodeEffect(Schema.fromJsonString(Overview))(yield* command("status", "--json"))
            )
            assert.lengthOf(overview.runners, 2)
            assert.strictEqual(overview.runners[0]?.shards, 300 - (overview.runners[1]?.shards ?? 0))
            assert.deepStrictEqual(overview.queue, { waiting: 0, retrying: 0, handedOut: 0, oldestSeconds: null })

            const made = yield* picture("asked/")
            const versions = sql<{ count: number }>`SELECT count(*)::int AS count FROM processed_s3_objects
          WHERE derivative_versions @> '{"thumbnail": 1}'`
            const before = yield* versions
            yield* sql`UPDATE processed_s3_objects SET derivative_versions = derivative_versions - 'thumbnail'`
            assert.match(yield* command("rebuild", "--kind", "thumbnail"), /█{30} (\d+) of \1$/m)
            assert.deepStrictEqual(yield* versions, before)
            assert.deepStrictEqual(yield* picture("asked/"), made)
            const unknown = yield* Joy.run(["ingest", "rebuild", "--kind", "portrait"], { env, cwd: folder })
            assert.strictEqual(unknown.code, 1)
            assert.include(unknown.stderr, 'expected "thumbnail"')

            const { text: metrics } = yield* JoyHttp.request(first.operations, "/metrics")
            assert.match(metrics, /^joy_ingest_shards \d+$/m)
            assert.match(metrics, /^joy_ingest_waiting 0$/m)
            assert.match(metrics, /^joy_ingest_oldest_unread_seconds \d/m)
            assert.match(metrics, /^joy_media_read_bytes_total\{step="probe"\} [1-9]\d*$/m)
            assert.match(metrics, /^joy_ingest_step_seconds_count\{step="(probe|thumbnails|publish)"\} \d+$/m)
          }).pipe(Effect.scoped),
        { timeout: 300_000 }
      )
    }
  )

  layer(ClusterWorld.layerNoDeps.pipe(Layer.provideMerge(OwnPostgres.layer)), {
    excludeTestServices: true,
    timeout: "240 seconds"
  })("on a database of their own", (it) => {
    it.effect(
      "go on when it is restarted under them, again and again",
      () =>
        Effect.gen(function* () {
          const { put } = yield* ClusterWorld
          const { restart } = yield* OwnPostgres
          const both = yield* pair
          const files = yield* corpus(size)
          for (let round = 0; round < 3; round++) {
            const share = Math.ceil(size / 3)
            yield* put("restarted/", files.slice(round * share, (round + 1) * share))
            yield* Joy.until(count("restarted/", "ready"), (ready) => ready > round * share + 3)
            yield* restart
          }
          yield* finished("restarted/")
          const found = yield* picture("restarted/")
          assert.deepStrictEqual(
            found.map(([{ status }]) => status).toSorted(),
            files.map((_, n) => (n % 20 === 7 ? "failed" : "ready")).toSorted()
          )
          for (const [{ status, type }, derived] of found) {
            assert.strictEqual(derived.length > 0, status === "ready" && type !== "audio")
          }
          assert.strictEqual(yield* toldTwice, 0)
          yield* started(2)
          for (const runner of both) yield* Joy.until(isReady(runner), (ready) => ready, { seconds: 60 })
        }).pipe(Effect.scoped),
      { timeout: 300_000 }
    )

    it.effect(
      "leave to joy serve what it is for: it finds nothing and works on nothing",
      () =>
        Effect.gen(function* () {
          const { env, folder, put, start } = yield* ClusterWorld
          const sql = yield* SqlClient.SqlClient
          const works = (args: string, input?: string) =>
            Effect.map(Joy.run(args.split(" "), { env, cwd: folder, input }), ({ code, stderr }) =>
              assert.strictEqual(code, 0, stderr)
            )
          yield* works("keys init")
          yield* works("admin create --username admin --email admin@example.org --password-stdin", "a fine phrase 42\n")
          yield* put("served/", yield* corpus(3))
          const server = yield* JoyUp.serve(folder, env)
          const { client } = yield* server.signIn("admin", "a fine phrase 42")
          const { scanId } = yield* Effect.orDie(client.media.refresh({ query: {} }))
          const scan = Effect.orDie(client.media.scan({ params: { scanId } }))
          assert.deepInclude(yield* scan, { status: "running", listed: 0 })
          const idle = yield* sql`SELECT address FROM ingest_runners AS runner WHERE ${lives(sql)}`
          assert.lengthOf(idle, 0)
          assert.strictEqual(yield* undone("served/", 3), 3)
          assert.deepInclude(yield* scan, { status: "running", listed: 0 })
          yield* start()
          yield* finished("served/", 3)
          assert.deepInclude(yield* Joy.until(scan, ({ status }) => status !== "running"), { status: "finished" })
        }).pipe(Effect.scoped),
      { timeout: 120_000 }
    )
  })
})

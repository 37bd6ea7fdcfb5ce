import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"

import * as JoyHttp from "./JoyHttp.ts"

/**
 * Races for refresh tokens, with a verdict by what must never happen. A family is one session; in each race two to fifty
 * callers show its current token on several servers: at once, spread over the grace, losing the answer and trying again at
 * once or late. All of them follow the protocol, so all must get one and the same successor. A family ends with somebody
 * who does not: a spent token is shown whose successor was used, and the family must end with it.
 */
export interface RaceOptions {
  /** Addresses of servers on one database. */
  readonly servers: ReadonlyArray<string>
  readonly sql: SqlClient.SqlClient
  readonly identifier: string
  readonly password: string
  /** `REFRESH_GRACE` of the servers. */
  readonly graceMillis: number
  readonly races: number
  readonly seed: number
  readonly onRace?: (verdict: Verdict) => void
  readonly onWrong?: (what: string) => void
}

export interface Verdict {
  races: number
  families: number
  callers: number
  /** Callers whose connection broke before the answer. */
  lost: number
  /** Callers who came with a spent token after the grace, and got the successor that nobody had used. */
  late: number
  /** Families that a spent token ended. */
  ended: number
  worstMillis: number
  /** What must never happen and did. */
  readonly wrong: Array<string>
}

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
const randomBy = (seed: number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const Tokens = Schema.Struct({ sessionId: Schema.String, accessToken: Schema.String, refreshToken: Schema.String })
type Tokens = typeof Tokens.Type

interface Outcome {
  readonly status: number
  readonly tokens: Tokens | null
  readonly problem: string | null
}

const parallelFamilies = 12
const racesPerFamily = 12

export const run = (options: RaceOptions): Effect.Effect<Verdict> => {
  const verdict: Verdict = { races: 0, families: 0, callers: 0, lost: 0, late: 0, ended: 0, worstMillis: 0, wrong: [] }
  const { graceMillis, servers, sql } = options
  let left = options.races

  const post = Effect.fnUntraced(function* (server: string, path: string, body: unknown) {
    const began = performance.now()
    const answer = yield* JoyHttp.request(server, path, { method: "POST", body })
    verdict.worstMillis = Math.max(verdict.worstMillis, performance.now() - began)
    const outcome: Outcome = {
      status: answer.status,
      tokens: answer.status === 200 ? yield* JoyHttp.decode(Tokens, answer) : null,
      problem: answer.status === 200 ? null : (yield* JoyHttp.decode(JoyHttp.Problem, answer)).type
    }
    return outcome
  })

  const stateOf = ({ sessionId }: Tokens) =>
    Effect.map(
      Effect.orDie(
        sql<{ readonly counter: number; readonly live: boolean }>`
          SELECT counter, revoked_at IS NULL AS live FROM sessions WHERE id = ${sessionId}`
      ),
      ([row]) => row ?? { counter: 0, live: false }
    )

  const family = Effect.fnUntraced(function* (number: number) {
    const random = randomBy(options.seed + number)
    const upTo = (most: number) => Math.floor(random() * most)
    const any = () => servers[upTo(servers.length)] ?? ""
    const wrong = (race: number, what: string) => {
      const told = `family ${number}, race ${race}: ${what}`
      verdict.wrong.push(told)
      options.onWrong?.(told)
    }
    const show = (token: string) => post(any(), "/auth/refresh", { refreshToken: token })

    /** The connection breaks within some milliseconds: before the server knows, while it works, or as it answers. */
    const showAndLose = (token: string) =>
      Effect.suspend(() => {
        verdict.lost++
        return Effect.timeoutOption(show(token), random() * 12)
      })

    const caller = Effect.fnUntraced(function* (token: string, kind: number) {
      verdict.callers++
      if (kind === 1) yield* Effect.sleep(random() * graceMillis * 0.8)
      if (kind === 2 && random() < 0.5) {
        yield* showAndLose(token)
        if (random() < 0.3) yield* Effect.sleep(random() * graceMillis)
      }
      return yield* show(token)
    })

    /** One race for the current token; gives its successor, or nothing when the family is lost. */
    const race = Effect.fnUntraced(function* (current: Tokens, at: number) {
      const callers = 2 + upTo(49)
      // Together, spread, losing answers, or all losing theirs and coming back after the grace.
      const kind = [0, 0, 0, 1, 2, 2, 3][upTo(7)] ?? 0
      const token = current.refreshToken
      if (kind === 3) {
        yield* Effect.all(
          Array.from({ length: callers }, () => showAndLose(token)),
          { concurrency: "unbounded" }
        )
        yield* Effect.sleep(graceMillis * 1.1)
        if ((yield* stateOf(current)).counter === at) verdict.late += callers
      }
      const outcomes = yield* Effect.all(
        Array.from({ length: callers }, () => caller(token, kind)),
        { concurrency: "unbounded" }
      )
      const refused = outcomes.filter(({ tokens }) => tokens === null)
      for (const { problem, status } of refused) wrong(at, `who followed the protocol got ${status} ${problem}`)
      const successors = new Map(outcomes.flatMap(({ tokens }) => (tokens ? [[tokens.refreshToken, tokens]] : [])))
      if (successors.size > 1) wrong(at, `${successors.size} successors of one token`)
      const { counter, live } = yield* stateOf(current)
      if (!live) wrong(at, "the session has ended")
      else if (counter !== at) wrong(at, `${counter} rotations`)
      return [...successors.values()][0]
    })

    /** Shows a spent token whose successor was used, after the grace. */
    const replay = Effect.fnUntraced(function* (spent: Tokens, current: Tokens, at: number) {
      const next = (yield* show(current.refreshToken)).tokens
      if (next === null) return wrong(at, "the last refresh was refused")
      const token = random() < 0.5 ? spent.refreshToken : current.refreshToken
      if (token === current.refreshToken) {
        const used = sql`SELECT 1 FROM sessions WHERE id = ${current.sessionId} AND last_used_at > rotated_at`
        while ((yield* Effect.orDie(used)).length === 0) {
          yield* JoyHttp.request(any(), "/protected", { token: next.accessToken })
          yield* Effect.sleep("100 millis")
        }
      }
      yield* Effect.sleep(graceMillis * 1.1)
      const answers = yield* Effect.all(
        Array.from({ length: 1 + upTo(5) }, () => show(token)),
        { concurrency: "unbounded" }
      )
      if (answers.some(({ status }) => status !== 401)) wrong(at, "a replay was not refused")
      if (!answers.some(({ problem }) => problem === "urn:joy:refresh-token-reused")) wrong(at, "a replay was not told")
      if ((yield* show(next.refreshToken)).status !== 401) wrong(at, "the newest token outlived a replay")
      for (const server of servers) {
        const access = yield* JoyHttp.request(server, "/protected", { token: next.accessToken })
        if (access.status !== 401) wrong(at, "an access token outlived a replay")
      }
      const events = yield* Effect.orDie(
        sql`SELECT 1 FROM audit_log WHERE session_id = ${next.sessionId} AND action = 'session.refresh-reused'`
      )
      if (events.length !== 1) wrong(at, `${events.length} security events`)
      verdict.ended++
    })

    const opened = yield* post(any(), "/auth/login", { identifier: options.identifier, password: options.password })
    if (opened.tokens === null) return wrong(0, `signing in got ${opened.status} ${opened.problem}`)
    verdict.families++
    let [spent, current]: readonly [Tokens, Tokens] = [opened.tokens, opened.tokens]
    for (let at = 1; at <= racesPerFamily && left > 0; at++) {
      left--
      const next = yield* race(current, at)
      verdict.races++
      options.onRace?.(verdict)
      if (next === undefined) return
      ;[spent, current] = [current, next]
    }
    yield* replay(spent, current, racesPerFamily + 1)
  })

  return Effect.gen(function* () {
    let number = 0
    const line: Effect.Effect<void> = Effect.suspend(() =>
      left > 0 ? Effect.andThen(family(number++), line) : Effect.void
    )
    yield* Effect.all(
      Array.from({ length: parallelFamilies }, () => line),
      { concurrency: "unbounded" }
    )
    return verdict
  })
}

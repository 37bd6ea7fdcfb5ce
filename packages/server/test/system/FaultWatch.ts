import { assert } from "@effect/vitest"
import type * as JoyHttp from "@joy/testing/JoyHttp"
import type { Server } from "@joy/testing/JoyUp"
import { password } from "@joy/testing/Replicas"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"

/** What clients saw while something was broken. */
export interface Seen {
  readonly fault: string
  requests: number
  /** Of requests that end nothing. */
  worstMillis: number
  ends: number
  worstEndMillis: number
  /** Answered with 503. */
  unavailable: number
  /** Access tokens that were accepted after the end of their session had been answered. */
  revokedAccepted: number
  /** Access and refresh tokens of live sessions that were answered with 401. */
  liveRefused: number
  /** Answers that nobody should ever get. */
  readonly odd: Array<string>
}

/** Somebody who is signed in, with the tokens that they have at the moment. */
export interface Client {
  access: string
  refresh: string
}

export const sessionIdOf = ({ refresh }: Client) => refresh.slice(0, refresh.indexOf("."))

const Tokens = Schema.fromJsonString(Schema.Struct({ accessToken: Schema.String, refreshToken: Schema.String }))
const decodeTokens = Schema.decodeUnknownEffect(Tokens)

type Answer = Pick<JoyHttp.Answer, "headers" | "status" | "text">

/** How a connection failed, as far as the system says it. */
const reasonOf = (cause: unknown) =>
  typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause)

export class FaultWatch {
  readonly seen: Seen
  /** Who answers at the moment; a balancer knows it too. */
  servers: ReadonlyArray<Server>

  /** Requests that were sent. */
  begun = 0

  constructor(fault: string, servers: ReadonlyArray<Server>) {
    this.servers = servers
    this.seen = {
      fault,
      requests: 0,
      worstMillis: 0,
      ends: 0,
      worstEndMillis: 0,
      unavailable: 0,
      revokedAccepted: 0,
      liveRefused: 0,
      odd: []
    }
  }

  /** One of the servers, in turn. */
  at(turn: number): Server {
    const server = this.servers[turn % this.servers.length]
    if (server === undefined) throw new Error("no server")
    return server
  }

  /** Asks, and gives the status and the body; 0 when there was no answer. */
  ask(server: Server, path: string, options: JoyHttp.RequestOptions = {}): Effect.Effect<Answer> {
    return Effect.suspend(() => {
      const began = performance.now()
      this.begun++
      return server.request(path, options).pipe(
        Effect.catchDefect((cause) => Effect.succeed({ status: 0, text: reasonOf(cause), headers: {} })),
        Effect.tap(({ status, text }) =>
          Effect.sync(() => {
            const { seen } = this
            const millis = performance.now() - began
            seen.requests++
            if (path.startsWith("/auth/logout")) seen.worstEndMillis = Math.max(seen.worstEndMillis, millis)
            else seen.worstMillis = Math.max(seen.worstMillis, millis)
            if (status === 503) seen.unavailable++
            else if (status === 0 || status >= 500) seen.odd.push(`${path} ${status} ${text.slice(0, 200)}`)
          })
        )
      )
    })
  }

  /** Signs in; once more while nobody can. */
  signIn(server: Server, identifier = "admin"): Effect.Effect<Client> {
    const options = { method: "POST", body: { identifier, password } }
    return Effect.flatMap(this.ask(server, "/auth/login", options), ({ status, text }) =>
      status === 200
        ? Effect.map(Effect.orDie(decodeTokens(text)), (tokens) => ({
            access: tokens.accessToken,
            refresh: tokens.refreshToken
          }))
        : Effect.andThen(Effect.sleep("100 millis"), this.signIn(server, identifier))
    )
  }

  /** Shows the access token of a live session. */
  expectLive(server: Server, client: Client) {
    return Effect.map(this.ask(server, "/protected", { token: client.access }), ({ status }) => {
      if (status === 401) this.seen.liveRefused++
      return status
    })
  }

  /** Shows the tokens of a session whose end has been answered, to everybody. */
  expectEnded(client: Client) {
    return Effect.forEach(
      this.servers,
      Effect.fnUntraced({ self: this }, function* (server: Server) {
        const access = yield* this.ask(server, "/protected", { token: client.access })
        if (access.status === 200) this.seen.revokedAccepted++
      }),
      { concurrency: "unbounded", discard: true }
    )
  }

  /** Refreshes a live session. Without an answer the client keeps the token and tries again with it later. */
  refresh(server: Server, client: Client) {
    const options = { method: "POST", body: { refreshToken: client.refresh } }
    return Effect.flatMap(this.ask(server, "/auth/refresh", options), ({ status, text }) => {
      if (status === 401) this.seen.liveRefused++
      if (status !== 200) return Effect.succeed(status)
      return Effect.map(Effect.orDie(decodeTokens(text)), (tokens) => {
        client.access = tokens.accessToken
        client.refresh = tokens.refreshToken
        return status
      })
    })
  }

  /** Signs out, and looks whether everybody knows as soon as that is answered. Says whether it was. */
  end(server: Server, client: Client, path: "/auth/logout" | "/auth/logout-all" = "/auth/logout") {
    return Effect.gen({ self: this }, function* () {
      const { status } = yield* this.ask(server, path, { method: "POST", token: client.access })
      if (status !== 204) return false
      this.seen.ends++
      yield* this.expectEnded(client)
      const renewed = yield* this.ask(server, "/auth/refresh", {
        method: "POST",
        body: { refreshToken: client.refresh }
      })
      if (renewed.status === 200) this.seen.revokedAccepted++
      return true
    })
  }

  /**
   * Breaks something while clients are at work: they read, refresh, sign out and in again, on all servers in turn. Whoever
   * is signed in when it is over must still be.
   */
  underLoad<A, E, R>(fault: Effect.Effect<A, E, R>, clients = 6) {
    const load = { stopped: false }
    const work = Effect.fnUntraced({ self: this }, function* (number: number) {
      let client = yield* this.signIn(this.at(number))
      for (let turn = number; !load.stopped; turn++) {
        yield* this.expectLive(this.at(turn), client)
        if (turn % 4 === 0) yield* this.refresh(this.at(turn + 1), client)
        if (turn % 12 === 0 && (yield* this.end(this.at(turn), client))) client = yield* this.signIn(this.at(turn + 1))
      }
      return client
    })
    return Effect.gen({ self: this }, function* () {
      const working = yield* Effect.forEach(Array.from({ length: clients }), (_, number) =>
        Effect.forkChild(work(number))
      )
      const result = yield* fault
      load.stopped = true
      for (const fiber of working) yield* this.expectWell(yield* Fiber.join(fiber))
      return result
    })
  }

  /** A live session works on every server, with both of its tokens, as soon as these answer. */
  expectWell(client: Client) {
    return Effect.forEach(
      this.servers,
      Effect.fnUntraced({ self: this }, function* (server: Server) {
        for (let tries = 0; tries < 100; tries++) {
          const statuses = [yield* this.expectLive(server, client), yield* this.refresh(server, client)]
          if (statuses.every((status) => status === 200 || status === 401)) return
          yield* Effect.sleep("100 millis")
        }
        this.seen.odd.push("not well after ten seconds")
      }),
      { discard: true }
    )
  }

  /** No wrong answer, and none that took for ever. Where the database was away, 503 is an answer. */
  assertRight(options: { readonly unavailable?: boolean; readonly broken?: RegExp } = {}) {
    const { seen } = this
    rows.push(seen)
    const odd = seen.odd.filter((text) => options.broken === undefined || !options.broken.test(text))
    assert.deepStrictEqual(
      { revokedAccepted: seen.revokedAccepted, liveRefused: seen.liveRefused, odd },
      { revokedAccepted: 0, liveRefused: 0, odd: [] },
      seen.fault
    )
    if (options.unavailable !== true) assert.strictEqual(seen.unavailable, 0, seen.fault)
    // Generous: the machine may be busy. Redis is waited for 250 ms, an end for 5.5 s.
    assert.isBelow(seen.worstMillis, 8_000, seen.fault)
    assert.isBelow(seen.worstEndMillis, 12_000, seen.fault)
  }
}

const rows: Array<Seen> = []

/** What was seen in this file, as a table. */
export const report = () => {
  if (rows.length === 0) return
  const table = [
    ["fault", "requests", "worst ms", "ends", "worst ms", "503", "revoked accepted", "live refused"],
    ...rows.map((seen) =>
      [
        seen.fault,
        seen.requests,
        Math.round(seen.worstMillis),
        seen.ends,
        Math.round(seen.worstEndMillis),
        seen.unavailable,
        seen.revokedAccepted,
        seen.liveRefused
      ].map(String)
    )
  ]
  const widths = (table[0] ?? []).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const lines = table.map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  ")
  )
  process.stdout.write(`\n${lines.join("\n")}\n\n`)
}

import { connect, createServer, type Socket } from "node:net"

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/**
 * A line to a server that can be made bad. With `carried`, only of connections that carried this text to the server
 * (`LISTEN "news"`, say); without, of all.
 */
export interface TcpProxy {
  readonly port: number
  /** Connections break, and new ones are refused. */
  readonly cut: Effect.Effect<void>
  /** Connections break; new ones work. */
  readonly breakOff: (carried?: string) => Effect.Effect<void>
  /** Nothing comes through, in either direction, and no connection breaks. */
  readonly hang: Effect.Effect<void>
  /** What is asked arrives, but no answer does, and no connection breaks. */
  readonly loseAnswers: (carried?: string) => Effect.Effect<void>
  /** The connections that there are are dead without a sign; new ones work. */
  readonly freeze: (carried?: string) => Effect.Effect<void>
  /** Everything that is asked arrives later. */
  readonly slow: (millis: number) => Effect.Effect<void>
  /** As at first. What was held is lost: connections begin anew. */
  readonly restore: Effect.Effect<void>
}

interface Line {
  readonly client: Socket
  readonly upstream: Socket
  /** What the client sent last: enough to know a connection by that has a purpose of its own. */
  sent: string
  frozen: boolean
}

const remembered = 65_536

type State =
  | { readonly _tag: "open" | "cut" | "hanging" }
  | { readonly _tag: "answerless"; readonly carried: string | undefined }
  | { readonly _tag: "slow"; readonly millis: number }

/** A line to a port of 127.0.0.1. It ends with the scope. */
export const make = (target: number): Effect.Effect<TcpProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    let state: State = { _tag: "open" }
    const lines = new Set<Line>()
    const hasCarried = (line: Line, carried: string | undefined) => carried === undefined || line.sent.includes(carried)

    const server = createServer((client) => {
      if (state._tag === "cut") return void client.destroy()
      const upstream = connect(target, "127.0.0.1")
      const line: Line = { client, upstream, sent: "", frozen: false }
      lines.add(line)
      for (const socket of [client, upstream]) {
        socket.setNoDelay(true)
        socket.on("error", () => undefined)
        socket.on("close", () => {
          lines.delete(line)
          client.destroy()
          upstream.destroy()
        })
      }
      client.on("data", (bytes) => {
        line.sent = (line.sent + bytes.toString("latin1")).slice(-remembered)
        if (state._tag === "hanging" || line.frozen) return
        if (state._tag === "slow") setTimeout(() => upstream.write(bytes), state.millis)
        else upstream.write(bytes)
      })
      upstream.on("data", (bytes) => {
        if (state._tag === "hanging" || line.frozen) return
        if (state._tag === "answerless" && hasCarried(line, state.carried)) return
        client.write(bytes)
      })
    })
    const port = yield* Effect.acquireRelease(
      Effect.callback<number>((resume) => {
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : 0))
        })
      }),
      () =>
        Effect.sync(() => {
          server.close()
          breakAll()
        })
    )

    const breakAll = (carried?: string) => {
      for (const line of lines) {
        if (!hasCarried(line, carried)) continue
        line.client.destroy()
        line.upstream.destroy()
      }
    }
    const become = (next: State, breaks: boolean) =>
      Effect.sync(() => {
        state = next
        if (breaks) breakAll()
      })

    return {
      port,
      cut: become({ _tag: "cut" }, true),
      breakOff: (carried) => Effect.sync(() => breakAll(carried)),
      hang: become({ _tag: "hanging" }, false),
      loseAnswers: (carried) => become({ _tag: "answerless", carried }, false),
      freeze: (carried) =>
        Effect.sync(() => {
          for (const line of lines) line.frozen ||= hasCarried(line, carried)
        }),
      slow: (millis) => become({ _tag: "slow", millis }, false),
      restore: become({ _tag: "open" }, true)
    }
  })

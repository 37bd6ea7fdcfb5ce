import type { IncomingMessage, ServerResponse } from "node:http"

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"

import { Configuration } from "../config/Configuration.ts"
import { requests } from "../Metrics.ts"
import { ClientAddress } from "./ClientAddress.ts"

/**
 * What stands in a path for a grant, which is worth as much as a token: longer than any id or word of ours. A path may
 * write its letters as `%41`, or come with scheme and host before it.
 */
const secret = /[\w-]{48,}/g

const withoutSecrets = (path: string) => {
  const plain = path.replace(/%([2-7][0-9a-f])/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  const shown = plain.replace(secret, ":grant")
  return shown === plain ? path : shown
}

/**
 * One line per answer, written in batches: a write per request would cost more than the request. It has no query string,
 * no header and no grant, so it can't hold a token or a signature. Probes of health are left out.
 */
export class AccessLog extends Context.Service<
  AccessLog,
  { readonly watch: (id: string, request: IncomingMessage, response: ServerResponse) => void }
>()("@joy/server/AccessLog") {
  static readonly layer = Layer.effect(
    AccessLog,
    Effect.gen(function* () {
      const { logFormat, logLevel } = yield* Configuration
      const address = yield* ClientAddress
      const services = yield* Effect.context<never>()
      const counters = new Map(
        ["1xx", "2xx", "3xx", "4xx", "5xx"].map((status) => [status[0], Metric.withAttributes(requests, { status })])
      )
      const isQuiet = logLevel === "warn" || logLevel === "error"

      let lines = ""
      let timer: NodeJS.Timeout | undefined
      const flush = () => {
        timer = undefined
        if (lines !== "") process.stdout.write(lines)
        lines = ""
      }
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          clearTimeout(timer)
          flush()
        })
      )

      const write = (line: string) => {
        lines += line
        if (lines.length > 64 * 1024) flush()
        else timer ??= setTimeout(flush, 250).unref()
      }

      const watch = (id: string, request: IncomingMessage, response: ServerResponse) => {
        const path = withoutSecrets((request.url ?? "/").split("?", 1)[0] ?? "/")
        if (path.startsWith("/health")) return
        const started = performance.now()
        // Once the connection is closed, the socket knows no more.
        const peer = request.socket.remoteAddress ?? ""
        response.once("close", () => {
          counters.get(String(response.statusCode)[0])?.updateUnsafe(1, services)
          if (isQuiet) return
          const forwardedFor = request.headers["x-forwarded-for"]?.toString()
          const entry = {
            time: new Date().toISOString(),
            id,
            method: request.method,
            path,
            // 499, as nginx has it: the client went away before the answer was complete.
            status: response.writableFinished ? response.statusCode : 499,
            ms: Math.round((performance.now() - started) * 10) / 10,
            ip: address.resolve(peer, forwardedFor)
          }
          write(
            logFormat === "json"
              ? `${JSON.stringify({ level: "INFO", message: "request", ...entry })}\n`
              : `${entry.time.slice(11, 23)} ${entry.method} ${JSON.stringify(path).slice(1, -1)} ${entry.status} ${entry.ms} ms\n`
          )
        })
      }
      return AccessLog.of({ watch })
    })
  )
}

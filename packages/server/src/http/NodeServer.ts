import { randomUUID } from "node:crypto"
import * as Http from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"

import type { AccessLog } from "./AccessLog.ts"

/**
 * The bare listener below the router. What belongs on every answer, even on one that the router never saw or whose bytes
 * a handler writes itself, is put there: the request's id, the security headers, the line in the access log.
 */

const securityHeaders = {
  "X-Content-Type-Options": "nosniff",
  "Referrer-Policy": "no-referrer",
  "X-Frame-Options": "DENY",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()"
} as const

/** Answers of the API are data: even where one is opened as a page, nothing in it runs. */
const apiContentSecurityPolicy = "default-src 'none'; frame-ancestors 'none'; sandbox"

/** The page of the docs brings its script inline. */
const docsContentSecurityPolicy =
  "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; connect-src 'self'; frame-ancestors 'none'"

const clientErrors: Record<string, { readonly status: number; readonly title: string; readonly type: string }> = {
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: 408,
    title: "The request took too long to arrive",
    type: "urn:joy:request-timeout"
  },
  UNKNOWN_EXPECTATION: {
    status: 417,
    title: "What the request expects is not known here",
    type: "urn:joy:expectation-failed"
  },
  TUNNEL: { status: 400, title: "This is no proxy", type: "urn:joy:invalid-request" },
  MISSING_HOST: { status: 400, title: "The request names no host", type: "urn:joy:invalid-request" },
  HPE_HEADER_OVERFLOW: {
    status: 431,
    title: "The request's headers are too large",
    type: "urn:joy:request-header-fields-too-large"
  }
}

const problemOf = (code: string | undefined) => {
  const problem = clientErrors[code ?? ""] ?? {
    status: 400,
    title: "This is not an HTTP request",
    type: "urn:joy:invalid-request"
  }
  return { status: problem.status, body: JSON.stringify(problem) }
}

/** What can't even be parsed gets its problem document too (RFC 9457), written by hand: there is no request to answer. */
const refuse = (error: { readonly code?: string }, socket: Duplex) => {
  if (error.code === "ECONNRESET" || !socket.writable) {
    socket.destroy()
    return
  }
  const { body, status } = problemOf(error.code)
  socket.end(
    `HTTP/1.1 ${status} ${Http.STATUS_CODES[status] ?? "Error"}\r\nContent-Type: application/problem+json\r\n` +
      `Content-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`
  )
}

/** RFC 9112, 3.2: a request of HTTP/1.1 names its host. Node would refuse it itself, without a problem document. */
const lacksHost = (request: Http.IncomingMessage) => request.httpVersion === "1.1" && request.headers.host === undefined

/** The same for what was parsed, and that the routes must not see. */
const answer = (code: string, response: Http.ServerResponse) => {
  const { body, status } = problemOf(code)
  response
    .writeHead(status, {
      "content-type": "application/problem+json",
      "content-length": Buffer.byteLength(body),
      connection: "close"
    })
    .end(body)
}

type Exchange = [request: Http.IncomingMessage, response: Http.ServerResponse]

/** More requests than this behind one that is not answered yet (pipelining, RFC 9112, 9.3.2) are not a client's. */
const pipelined = 16

/** Looks at each exchange before anybody else does. */
class Server extends Http.Server {
  /** What came while the port was open and the routes were not there yet: it waits for them instead of for ever. */
  #early: Array<Exchange> | undefined = []
  /** What waits on each connection that is being answered. */
  readonly #busy = new WeakMap<Socket, Array<Exchange>>()

  /** From here on requests have somewhere to go. */
  open() {
    const early = this.#early ?? []
    this.#early = undefined
    for (const exchange of early) this.emit("request", ...exchange)
  }

  /**
   * Lets one request of a connection in at a time. Answers leave in order anyway, so a second one worked on before the
   * first has left would only hold what it needs: files, buffers, database connections.
   */
  #enter(exchange: Exchange) {
    const [request, response] = exchange
    const socket = request.socket
    const waiting = this.#busy.get(socket)
    if (waiting !== undefined) {
      if (waiting.push(exchange) > pipelined) socket.destroy()
      return
    }
    const queue: Array<Exchange> = []
    this.#busy.set(socket, queue)
    response.once("close", () => {
      this.#busy.delete(socket)
      if (socket.destroyed) return
      for (const next of queue) this.emit("request", ...next)
    })
    super.emit("request", request, response)
  }

  override emit(event: string, ...values: Array<unknown>): boolean {
    const [request, response] = values
    if (
      event !== "request" ||
      !(request instanceof Http.IncomingMessage) ||
      !(response instanceof Http.ServerResponse)
    ) {
      return super.emit(event, ...values)
    }
    if (lacksHost(request)) answer("MISSING_HOST", response)
    else if (this.#early === undefined) this.#enter([request, response])
    else this.#early.push([request, response])
    return true
  }
}

export const make = (accessLog: AccessLog["Service"]) => (): Http.Server => {
  const server = new Server({
    requireHostHeader: false,
    // 30 s to finish sending a request; the answer may take as long as it takes.
    requestTimeout: 30_000,
    headersTimeout: 15_000,
    // Longer than the 60 s that balancers keep idle connections for: they hang up first, so no request meets a reset.
    keepAliveTimeout: 65_000,
    connectionsCheckingInterval: 5_000
  })
  server.on("request", (request, response) => {
    const id = randomUUID()
    const path = (request.url ?? "/").split("?", 1)[0]
    response.setHeader("X-Request-Id", id)
    for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value)
    response.setHeader(
      "Content-Security-Policy",
      path === "/docs" ? docsContentSecurityPolicy : apiContentSecurityPolicy
    )
    // What may be kept says so itself: a list of what may not would miss the next spelling of a path.
    response.setHeader("Cache-Control", "no-store")
    accessLog.watch(id, request, response)
  })
  server.on("clientError", refuse)
  // Node would answer these itself, with no body or none at all.
  server.on("checkExpectation", (_request, response: Http.ServerResponse) => answer("UNKNOWN_EXPECTATION", response))
  server.on("connect", (_request, socket: Duplex) => refuse({ code: "TUNNEL" }, socket))
  server.on("newListener", (event: string) => {
    // The router's; told before it is attached.
    if (event === "request") setImmediate(() => server.open())
  })
  return server
}

import { type IncomingHttpHeaders, request as httpRequest } from "node:http"
import { connect } from "node:net"

import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** An answer with its bytes as they came: no client between that follows, decodes or hides anything. */
export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly bytes: Buffer
  readonly text: string
}

export interface RequestOptions {
  readonly method?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly token?: string | undefined
  /** Sent as it is; a value that is no text or bytes is sent as JSON. */
  readonly body?: unknown
  /** Without `Content-Length`, in chunks. */
  readonly chunked?: boolean | undefined
}

const bytesOf = (body: unknown): Buffer | undefined => {
  if (body === undefined || body instanceof Buffer) return body
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
}

/** One request on a connection of its own. What fails below HTTP is a defect. */
export const request = (base: string, path: string, options: RequestOptions = {}): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const body = bytesOf(options.body)
    const url = new URL(base)
    const isJson = body !== undefined && typeof options.body !== "string" && !(options.body instanceof Buffer)
    const sent = httpRequest(
      {
        agent: false,
        host: url.hostname,
        port: url.port,
        // As it is written: `URL` would tidy up `..` and the like.
        path,
        method: options.method ?? "GET",
        headers: {
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...(isJson ? { "content-type": "application/json" } : {}),
          ...(body === undefined || options.chunked === true ? {} : { "content-length": String(body.length) }),
          ...options.headers
        }
      },
      (response) => {
        const chunks: Array<Buffer> = []
        response.on("data", (chunk: Buffer) => chunks.push(chunk))
        response.on("error", (cause) => resume(Effect.die(cause)))
        response.on("end", () => {
          const bytes = Buffer.concat(chunks)
          resume(
            Effect.succeed({
              status: response.statusCode ?? 0,
              headers: response.headers,
              bytes,
              text: bytes.toString()
            })
          )
        })
      }
    )
    sent.on("error", (cause) => resume(Effect.die(cause)))
    if (body !== undefined && options.chunked === true) {
      for (let at = 0; at < body.length; at += 16_384) sent.write(body.subarray(at, at + 16_384))
    } else if (body !== undefined) sent.write(body)
    sent.end()
    return Effect.sync(() => sent.destroy())
  })

/** Sends bytes that need not be HTTP and gives all that comes back until the server hangs up. */
export const raw = (base: string, bytes: string): Effect.Effect<string> =>
  Effect.callback((resume) => {
    const { hostname, port } = new URL(base)
    const socket = connect({ host: hostname, port: Number(port) })
    let received = ""
    socket.on("connect", () => socket.write(bytes))
    socket.on("data", (chunk) => (received += chunk.toString("latin1")))
    // A reset after the answer came is the server's way to stop reading.
    socket.on("error", () => {})
    socket.on("close", () => resume(Effect.succeed(received)))
    return Effect.sync(() => socket.destroy())
  })

/** A problem document (RFC 9457) as the API writes them. */
export const Problem = Schema.Struct({
  type: Schema.String.check(Schema.isPattern(/^urn:joy:[a-z]+(-[a-z]+)*$/)),
  title: Schema.String.check(Schema.isMinLength(1)),
  status: Schema.Int,
  detail: Schema.optionalKey(Schema.String),
  retryAfterSeconds: Schema.optionalKey(Schema.Finite),
  issues: Schema.optionalKey(Schema.Array(Schema.Struct({ path: Schema.String, message: Schema.String })))
})
export type Problem = typeof Problem.Type

/** The JSON of an answer, decoded. */
export const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S, answer: Pick<Answer, "text">) =>
  Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(schema))(answer.text))

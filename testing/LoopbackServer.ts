import { createServer, type RequestListener } from "node:http"

import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** A server on a free port of this machine; ends with the scope, whoever is still connected. `handler` learns its URL. */
export const listen = (handler: (url: string) => RequestListener): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{ readonly url: string; readonly close: Effect.Effect<void> }>((resume) => {
        const server = createServer()
        server.on("error", (cause) => resume(Effect.die(cause)))
        server.listen({ host: "127.0.0.1", port: 0 }, () => {
          const address = server.address()
          const port = address === null || typeof address === "string" ? 0 : address.port
          const url = `http://127.0.0.1:${port}`
          server.on("request", handler(url))
          const close = Effect.callback<void>((closed) => {
            server.close(() => closed(Effect.void))
            server.closeAllConnections()
          })
          resume(Effect.succeed({ url, close }))
        })
      }),
      ({ close }) => close
    ),
    ({ url }) => url
  )

/** The whole body of a request. */
export const bodyOf = async (request: AsyncIterable<Buffer>): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of request) chunks.push(chunk)
  return Buffer.concat(chunks).toString()
}

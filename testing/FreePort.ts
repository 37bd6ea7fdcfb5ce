import { createServer } from "node:net"

import * as Effect from "effect/Effect"

/** A port of 127.0.0.1 that is free now. */
export const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.on("error", (cause) => resume(Effect.die(cause)))
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    server.close(() => resume(Effect.succeed(address !== null && typeof address === "object" ? address.port : 0)))
  })
})

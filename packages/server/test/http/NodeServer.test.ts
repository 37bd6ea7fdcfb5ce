import { once } from "node:events"
import type { AddressInfo } from "node:net"
import { connect } from "node:net"

import { assert, describe, it } from "@effect/vitest"
import * as NodeServer from "@joy/server/http/NodeServer"

const listening = async () => {
  const server = NodeServer.make({ watch: () => undefined })()
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { server, port, url: `http://127.0.0.1:${port}` }
}

/** Sends bytes as they are and gives all that comes back. */
const raw = async (port: number, bytes: string) => {
  const socket = connect(port, "127.0.0.1")
  socket.write(bytes)
  let answer = ""
  for await (const chunk of socket) answer += String(chunk)
  return answer
}

describe("the listener", () => {
  it("lets a request that comes before the routes wait for them", async () => {
    const { server, url } = await listening()
    const early = fetch(url)
    await once(server, "connection")
    server.on("request", (_request, response) => response.end("hello"))
    const answer = await early
    assert.strictEqual(await answer.text(), "hello")
    assert.isNotNull(answer.headers.get("x-request-id"))
    assert.strictEqual(answer.headers.get("x-content-type-options"), "nosniff")
    server.close()
    server.closeAllConnections()
  })

  it("works on one request of a connection at a time, in their order [E2]", async () => {
    const { port, server } = await listening()
    let open = 0
    let most = 0
    server.on("request", (request, response) => {
      most = Math.max(most, ++open)
      response.once("finish", () => open--)
      setImmediate(() => response.end(request.url))
    })
    await new Promise((resolve) => setImmediate(resolve))
    const paths = Array.from({ length: 10 }, (_, at) => `/${at}`)
    const requests = paths.map((path, at) => {
      const last = at === paths.length - 1 ? "Connection: close\r\n" : ""
      return `GET ${path} HTTP/1.1\r\nHost: a\r\n${last}\r\n`
    })
    const answers = await raw(port, requests.join(""))
    assert.deepStrictEqual(answers.match(/^\/\d/gm), paths)
    assert.strictEqual(most, 1)
    server.close()
  })

  it("hangs up on who sends request after request and waits for no answer [E2]", async () => {
    const { port, server } = await listening()
    let seen = 0
    server.on("request", () => {
      seen++
    })
    await new Promise((resolve) => setImmediate(resolve))
    assert.strictEqual(await raw(port, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(300)).catch(() => ""), "")
    assert.strictEqual(seen, 1)
    server.close()
  })

  it("gives up on a request that does not arrive within 30 seconds, with a problem document [E1, L8]", async () => {
    const { port, server } = await listening()
    assert.strictEqual(server.requestTimeout, 30_000)
    // Looked at every five seconds.
    server.requestTimeout = 100
    server.on("request", (request) => request.resume())
    const [head = "", body = ""] = (
      await raw(port, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf")
    ).split("\r\n\r\n")
    assert.match(head, /^HTTP\/1.1 408 /)
    assert.match(head, /content-type: application\/problem\+json/i)
    assert.strictEqual(JSON.parse(body).type, "urn:joy:request-timeout")
    server.close()
  }, 20_000)

  for (const [name, bytes, status] of [
    ["no HTTP at all", "hello\r\n\r\n", 400],
    ["a request without a host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", 400],
    ["headers without end", `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(20_000)}\r\n\r\n`, 431]
  ] as const) {
    it(`refuses ${name} with a problem document [E3, L8]`, async () => {
      const { port, server } = await listening()
      server.on("request", (_request, response) => response.end("hello"))
      const [head = "", body = ""] = (await raw(port, bytes)).split("\r\n\r\n")
      assert.match(head, new RegExp(`^HTTP/1.1 ${status} `))
      assert.match(head, /content-type: application\/problem\+json/i)
      assert.strictEqual(JSON.parse(body).status, status)
      server.close()
    })
  }
})

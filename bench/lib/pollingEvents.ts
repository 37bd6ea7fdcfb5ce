import { createServer, type ServerResponse } from "node:http"

import { Client, Pool } from "pg"

/**
 * What `events` is compared with: Server-Sent Events as they are usually made, on bare node:http. It listens to the
 * database as well, and asks it for each listener what is new for them. No accounts, no sessions; events by their ids
 * alone, some of which it would miss. Gets the database's URL, prints its port.
 */
const [url = ""] = process.argv.slice(2)
const pool = new Pool({ connectionString: url, max: 20 })

interface Listener {
  readonly user: string
  readonly response: ServerResponse
  last: string
  isAsking: boolean
  again: boolean
}
const listeners = new Set<Listener>()

const tell = async (listener: Listener): Promise<void> => {
  if (listener.isAsking) {
    listener.again = true
    return
  }
  listener.isAsking = true
  listener.again = false
  const { rows } = await pool.query<{ id: string; name: string; data: unknown }>(
    `SELECT events.id, name, data FROM events LEFT JOIN media_items ON media_items.id = (data->>'mediaId')::uuid
     WHERE events.id > $1 AND (visibility = 'shared' OR user_id = $2) ORDER BY events.id`,
    [listener.last, listener.user]
  )
  for (const { data, id, name } of rows) {
    listener.response.write(`id: ${id}\nevent: ${name}\ndata: ${JSON.stringify(data)}\n\n`)
    listener.last = id
  }
  listener.isAsking = false
  if (listener.again) await tell(listener)
}

const news = new Client({ connectionString: url })
await news.connect()
await news.query("LISTEN joy_events")
news.on("notification", () => listeners.forEach((listener) => void tell(listener)))

const server = createServer((request, response) => {
  const { searchParams } = new URL(request.url ?? "/", "http://127.0.0.1")
  response.writeHead(200, { "content-type": "text/event-stream" })
  const user = searchParams.get("user") ?? ""
  const listener = { user, response, last: "0", isAsking: false, again: false }
  request.on("close", () => listeners.delete(listener))
  void pool.query<{ last: string }>("SELECT coalesce(max(id), 0) AS last FROM events").then(({ rows }) => {
    listener.last = searchParams.get("after") ?? rows[0]?.last ?? "0"
    listeners.add(listener)
    response.write(":\n\n")
    return tell(listener)
  })
})
server.listen(0, "127.0.0.1", () => {
  const address = server.address()
  console.log(typeof address === "object" && address !== null ? address.port : "")
})

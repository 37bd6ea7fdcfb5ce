import { connect, type Socket } from "node:net"
import { text } from "node:stream/consumers"

import { Client } from "pg"

import { cpuMillis, treeCpuMillis } from "./Processes.ts"

/**
 * Listens to Server-Sent Events on many sockets, makes events, and says how long each took to the last of them: a process
 * of its own, and one clock for both ends. It reads a `Job` and prints a `Result`, both as JSON.
 */
export interface Job {
  readonly port: number
  /** Of the server and of the postmaster. */
  readonly pids: { readonly server: number; readonly postgres: number }
  readonly database: string
  /** What is asked for, in turn: a path, and the token that is shown. */
  readonly requests: ReadonlyArray<{ readonly path: string; readonly token: string }>
  readonly listeners: number
  /** The item that events are about. */
  readonly mediaId: string
  readonly events: number
  /** Milliseconds from one event to the next. */
  readonly pause: number
}

export interface Result {
  /** Milliseconds from before an event was written until the last listener had it. */
  readonly latencies: ReadonlyArray<number>
  /** CPU of the server and the database per event. */
  readonly cpuMillis: number
}

const job: Job = JSON.parse(await text(process.stdin))
const database = new Client({ connectionString: job.database })
await database.connect()

let arrived = 0
let whenAll = () => {}
const marker = "\ndata: "

const listen = (at: number) =>
  new Promise<Socket>((resolve, reject) => {
    const { path, token } = job.requests[at % job.requests.length] ?? { path: "/", token: "" }
    const socket = connect(job.port, "127.0.0.1")
    let carry = ""
    socket.on("error", reject)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    socket.on("data", (chunk) => {
      const received = carry + chunk.toString("latin1")
      if (carry === "") {
        if (!received.startsWith("HTTP/1.1 200 ")) return reject(new Error(received.slice(0, 500)))
        resolve(socket)
      }
      const seen = received.split(marker).length - 1
      carry = received.slice(1 - marker.length)
      if (seen > 0) {
        arrived += seen
        if (arrived >= job.listeners) whenAll()
      }
    })
  })

const sockets: Array<Socket> = []
while (sockets.length < job.listeners) {
  const some = Array.from({ length: Math.min(50, job.listeners - sockets.length) }, (_, at) =>
    listen(sockets.length + at)
  )
  sockets.push(...(await Promise.all(some)))
}

const cpu = () => cpuMillis(job.pids.server) + treeCpuMillis(job.pids.postgres)
const latencies: Array<number> = []
const before = cpu()
for (let event = 0; event < job.events; event++) {
  arrived = 0
  const all = new Promise<void>((resolve) => (whenAll = resolve))
  const began = performance.now()
  await database.query(
    `WITH told AS (
       INSERT INTO events (name, data) VALUES ('media.updated', jsonb_build_object('mediaId', $1::text)) RETURNING id
     ) SELECT pg_notify('joy_events', '') FROM told`,
    [job.mediaId]
  )
  await all
  latencies.push(performance.now() - began)
  await new Promise((resolve) => setTimeout(resolve, job.pause))
}
const result: Result = { latencies, cpuMillis: (cpu() - before) / job.events }
console.log(JSON.stringify(result))
process.exit()

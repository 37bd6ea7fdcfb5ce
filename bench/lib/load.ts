import { connect } from "node:net"

/**
 * Asks for ranges of one resource on some connections for some time, and checks what comes: a process of its own, with
 * sockets that read into one buffer, so that it takes little of the machine that it shares with the server.
 *
 * Its argument is a `Job`, its output a `Result`, both as JSON.
 */
export interface Job {
  readonly port: number
  readonly path: string
  readonly token: string
  readonly sizeBytes: number
  readonly rangeBytes: number
  readonly connections: number
  readonly millis: number
}

export interface Result {
  readonly requests: number
  readonly millis: number
  /** Latency of every request, in milliseconds. */
  readonly latencies: ReadonlyArray<number>
}

const headerEnd = Buffer.from("\r\n\r\n")

const run = async (job: Job): Promise<Result> => {
  const latencies: Array<number> = []
  const began = performance.now()
  const until = began + job.millis
  // Every second one begins where a page does, the others anywhere.
  const offset = (turn: number) => {
    const last = job.sizeBytes - job.rangeBytes
    const at = Math.floor(Math.random() * last)
    return turn % 2 === 0 ? Math.floor(at / 4096) * 4096 : at
  }

  const client = () =>
    new Promise<void>((resolve, reject) => {
      let start = 0
      let asked = 0
      let remaining = -1
      let head = ""
      let turn = 0
      const fail = (why: string) => {
        reject(new Error(`${why}\n${head}`))
        socket.destroy()
      }
      const ask = () => {
        if (performance.now() >= until) {
          socket.destroy()
          return resolve()
        }
        start = offset(turn++)
        head = ""
        remaining = -1
        asked = performance.now()
        socket.write(
          `GET ${job.path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${job.token}\r\n` +
            `Range: bytes=${start}-${start + job.rangeBytes - 1}\r\n\r\n`
        )
      }
      const body = (bytes: number) => {
        remaining -= bytes
        if (remaining < 0) return fail("More bytes than the answer announced")
        if (remaining > 0) return
        latencies.push(performance.now() - asked)
        ask()
      }
      const take = (length: number, buffer: Uint8Array): boolean => {
        if (remaining >= 0) {
          body(length)
          return true
        }
        const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, length)
        const end = chunk.indexOf(headerEnd)
        if (end < 0) {
          head += chunk.toString("latin1")
          return true
        }
        head += chunk.toString("latin1", 0, end)
        const range = `bytes ${start}-${start + job.rangeBytes - 1}/${job.sizeBytes}`
        if (!head.startsWith("HTTP/1.1 206")) fail("Not answered with 206")
        else if (!new RegExp(`^content-length: ${job.rangeBytes}$`, "im").test(head)) fail("Another length")
        else if (!head.toLowerCase().includes(`content-range: ${range}`)) fail(`Not ${range}`)
        else {
          remaining = job.rangeBytes
          body(length - end - headerEnd.length)
        }
        return true
      }
      const socket = connect({
        port: job.port,
        host: "127.0.0.1",
        onread: { buffer: Buffer.allocUnsafeSlow(256 * 1024), callback: take }
      })
      socket.on("connect", ask)
      socket.on("error", reject)
      socket.on("end", () => fail("Hung up"))
    })

  await Promise.all(Array.from({ length: job.connections }, client))
  return { requests: latencies.length, millis: performance.now() - began, latencies }
}

if (process.argv[1] === import.meta.filename) {
  const job: Job = JSON.parse(process.argv[2] ?? "")
  console.log(JSON.stringify(await run(job)))
}

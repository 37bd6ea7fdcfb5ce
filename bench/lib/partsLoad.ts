import { connect } from "node:net"

/**
 * Asks for whole files at random on some connections for some time, and checks that each has its length: a process of its
 * own, as `load`. Its argument is the path of a `Job` as JSON, its output a `Result`.
 */
export interface Job {
  readonly port: number
  readonly parts: ReadonlyArray<{ readonly path: string; readonly bytes: number }>
  readonly connections: number
  readonly millis: number
}

export interface Result {
  readonly requests: number
  readonly bytes: number
  readonly millis: number
  /** Latency of every request, in milliseconds. */
  readonly latencies: ReadonlyArray<number>
}

const headerEnd = Buffer.from("\r\n\r\n")

const run = async ({ connections, millis, parts, port }: Job): Promise<Result> => {
  const latencies: Array<number> = []
  let bytes = 0
  const began = performance.now()

  const client = () =>
    new Promise<void>((resolve, reject) => {
      let wanted = 0
      let asked = 0
      let remaining = -1
      let head = ""
      const fail = (why: string) => {
        reject(new Error(`${why}\n${head}`))
        socket.destroy()
      }
      const ask = () => {
        const part = parts[Math.floor(Math.random() * parts.length)]
        if (part === undefined || performance.now() - began >= millis) {
          socket.destroy()
          return resolve()
        }
        wanted = part.bytes
        head = ""
        remaining = -1
        asked = performance.now()
        socket.write(`GET ${part.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`)
      }
      const body = (length: number) => {
        remaining -= length
        if (remaining < 0) return fail("More bytes than the answer announced")
        if (remaining > 0) return
        latencies.push(performance.now() - asked)
        bytes += wanted
        ask()
      }
      const take = (length: number, buffer: Uint8Array): boolean => {
        if (remaining >= 0) {
          body(length)
          return true
        }
        const chunk = Buffer.from(buffer.buffer, buffer.byteOffset, length)
        const end = chunk.indexOf(headerEnd)
        head += chunk.toString("latin1", 0, end < 0 ? length : end)
        if (end < 0) return true
        if (!head.startsWith("HTTP/1.1 200")) fail("Not answered with 200")
        else if (!new RegExp(`^content-length: ${wanted}\r?$`, "im").test(head)) fail(`Not ${wanted} bytes`)
        else {
          remaining = wanted
          body(length - end - headerEnd.length)
        }
        return true
      }
      const socket = connect({
        port,
        host: "127.0.0.1",
        onread: { buffer: Buffer.allocUnsafeSlow(256 * 1024), callback: take }
      })
      socket.on("connect", ask)
      socket.on("error", reject)
      socket.on("end", () => fail("Hung up"))
    })

  await Promise.all(Array.from({ length: connections }, client))
  return { requests: latencies.length, bytes, millis: performance.now() - began, latencies }
}

if (process.argv[1] === import.meta.filename) {
  const { readFileSync } = await import("node:fs")
  const job: Job = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8"))
  console.log(JSON.stringify(await run(job)))
}

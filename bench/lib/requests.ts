import { connect } from "node:net"
import { text } from "node:stream/consumers"

/**
 * Makes requests on some connections for some time, the next as soon as there is an answer: a process of its own on bare
 * sockets, so that it takes little of the machine that it shares with the server.
 *
 * It reads a `Job` and prints a `Result`, both as JSON.
 */
export interface Job {
  readonly port: number
  readonly connections: number
  readonly millis: number
  /** What is asked for, in turn. */
  readonly requests?: ReadonlyArray<Request>
  /** Instead of that: refresh tokens of as many sessions, of which one not under way is picked at random each time. */
  readonly refreshTokens?: ReadonlyArray<string>
}

export interface Request {
  readonly method: "GET" | "POST"
  readonly path: string
  readonly token?: string
  readonly body?: unknown
}

export interface Answers {
  /** Milliseconds of each. */
  readonly latencies: Array<number>
  /** How many were problem documents with `Retry-After`. */
  refusals: number
}

export interface Result {
  readonly millis: number
  readonly byStatus: Readonly<Record<string, Answers>>
  /** Requests whose connection was closed, or that had no answer `patienceMillis` after the end. */
  readonly lost: number
  /** What `refreshTokens` were exchanged for. */
  readonly refreshTokens: ReadonlyArray<string>
}

const patienceMillis = 30_000

const textOf = ({ body, method, path, token }: Request) => {
  const content = body === undefined ? "" : JSON.stringify(body)
  return [
    `${method} ${path} HTTP/1.1`,
    "Host: 127.0.0.1",
    ...(token === undefined ? [] : [`Authorization: Bearer ${token}`]),
    ...(body === undefined ? [] : ["Content-Type: application/json", `Content-Length: ${Buffer.byteLength(content)}`]),
    "",
    content
  ].join("\r\n")
}

/** What to send next, and what to do with the body of its answer. */
type Next = () => { readonly text: string; readonly answered: (status: string, body: string) => void }

const ignore = () => undefined

const inTurn = (requests: ReadonlyArray<Request>): Next => {
  const texts = requests.map(textOf)
  let turn = 0
  return () => ({ text: texts[turn++ % texts.length] ?? "", answered: ignore })
}

const refreshing = (tokens: Array<string>): Next => {
  const underWay = new Set<number>()
  return () => {
    let at = 0
    do at = Math.floor(Math.random() * tokens.length)
    while (underWay.has(at))
    underWay.add(at)
    const answered = (status: string, body: string) => {
      if (status === "200") tokens[at] = JSON.parse(body).refreshToken
      underWay.delete(at)
    }
    return { text: textOf({ method: "POST", path: "/auth/refresh", body: { refreshToken: tokens[at] } }), answered }
  }
}

const run = async (job: Job): Promise<Result> => {
  const refreshTokens = [...(job.refreshTokens ?? [])]
  const next = job.requests === undefined ? refreshing(refreshTokens) : inTurn(job.requests)
  const byStatus: Record<string, Answers> = {}
  let lost = 0
  const began = performance.now()
  const until = began + job.millis

  const connection = () =>
    new Promise<void>((resolve) => {
      let asked = 0
      let received = ""
      let answered: ReturnType<Next>["answered"] = ignore
      let waiting = false
      const socket = connect({ port: job.port, host: "127.0.0.1", noDelay: true })
      const end = () => {
        if (waiting) lost += 1
        clearTimeout(timer)
        socket.destroy()
        resolve()
      }
      const timer = setTimeout(end, job.millis + patienceMillis)
      const ask = () => {
        waiting = false
        if (performance.now() >= until) return end()
        const request = next()
        answered = request.answered
        received = ""
        waiting = true
        asked = performance.now()
        socket.write(request.text)
      }
      socket.setEncoding("latin1")
      socket.on("connect", ask)
      socket.on("error", () => undefined)
      socket.on("close", end)
      socket.on("data", (chunk: string) => {
        received += chunk
        const headEnd = received.indexOf("\r\n\r\n")
        if (headEnd < 0) return
        const head = received.slice(0, headEnd).toLowerCase()
        const length = Number(/^content-length: (\d+)$/m.exec(head)?.[1])
        if (received.length < headEnd + 4 + length) return
        const status = head.slice(9, 12)
        const answers = (byStatus[status] ??= { latencies: [], refusals: 0 })
        answers.latencies.push(performance.now() - asked)
        if (
          status !== "200" &&
          /^content-type: application\/problem\+json/m.test(head) &&
          /^retry-after: \d/m.test(head)
        )
          answers.refusals += 1
        answered(status, received.slice(headEnd + 4))
        ask()
      })
    })

  await Promise.all(Array.from({ length: job.connections }, connection))
  return { millis: performance.now() - began, byStatus, lost, refreshTokens }
}

if (process.argv[1] === import.meta.filename) {
  const job: Job = JSON.parse(await text(process.stdin))
  console.log(JSON.stringify(await run(job)))
}

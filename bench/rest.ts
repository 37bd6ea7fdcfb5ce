/**
 * GET /media, GET /media/:id and POST /auth/refresh against Fastify, pg and ioredis at equal tuning.
 *
 * Both are one process each on one Postgres, one Redis and 100,000 items, joy from its bundle; before anything is measured
 * their answers are compared field by field. `npm run bench -- rest list item` measures these two alone.
 */
import * as Stage from "./lib/fastify/stage.ts"
import { atLeast, figure, median, percentile, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import { cpuMillis, rssMiB, tree } from "./lib/Processes.ts"
import type * as Requests from "./lib/requests.ts"
import * as Scripts from "./lib/Scripts.ts"

const items = 100_000
const connections = 32
const visits = 10
const visitMillis = 3000
const warmUpMillis = 4000
const readers = 32
const refreshers = 128

const servers = ["ours", "theirs"] as const
type Server = (typeof servers)[number]
const titles: Record<Server, string> = { ours: "joy", theirs: "Fastify" }

interface Endpoint {
  readonly name: string
  readonly title: string
  /** Of the ratio of requests per second. */
  readonly floor?: number
  readonly goal?: number
  readonly job: () => Pick<Requests.Job, "requests" | "refreshTokens">
}

const get = (path: string, token: string) => ({ method: "GET", path, token }) as const

const databaseMillis = (postmaster: number) => tree(postmaster).reduce((sum, pid) => sum + cpuMillis(pid), 0)

const numbers = (): Record<Server, Array<number>> => ({ ours: [], theirs: [] })
/** What is noted of every visit; CPU in microseconds per request, latencies in milliseconds. */
const noted = () => ({ rate: numbers(), cpu: numbers(), database: numbers(), middle: numbers(), late: numbers() })

await withFolder(async (folder) => {
  const stage = await Stage.set(folder, { items, sessions: readers + refreshers })
  const tokens = stage.sessions.slice(0, readers).map(({ accessToken }) => accessToken)
  let refreshTokens: ReadonlyArray<string> = stage.sessions.slice(readers).map(({ refreshToken }) => refreshToken)
  const endpoints: ReadonlyArray<Endpoint> = [
    {
      name: "list",
      title: "GET /media?limit=50",
      floor: 1.1,
      goal: 1.3,
      job: () => ({ requests: tokens.map((token) => get("/media?limit=50", token)) })
    },
    {
      name: "item",
      title: "GET /media/:id",
      floor: 0.85,
      goal: 1,
      job: () => ({ requests: stage.ids.map((id, at) => get(`/media/${id}`, tokens[at % readers] ?? "")) })
    },
    { name: "refresh", title: "POST /auth/refresh", floor: 1, goal: 1.1, job: () => ({ refreshTokens }) },
    {
      name: "key",
      title: "GET /media/:id by API key",
      job: () => ({ requests: stage.ids.map((id) => get(`/media/${id}`, stage.key)) })
    }
  ]
  const wanted = process.argv.slice(2)
  const measured = endpoints.filter(({ name }) => wanted.length === 0 || wanted.includes(name))

  const visit = async ({ job, title }: Endpoint, server: Server, millis: number, note = noted()) => {
    const { pid, port } = stage.servers[server]
    const serverBefore = cpuMillis(pid)
    const databaseBefore = databaseMillis(stage.postgresPid)
    const result = await Scripts.run<Requests.Job, Requests.Result>("requests", { port, connections, millis, ...job() })
    const { latencies = [] } = result.byStatus["200"] ?? {}
    note.cpu[server].push(((cpuMillis(pid) - serverBefore) * 1000) / latencies.length)
    note.database[server].push(((databaseMillis(stage.postgresPid) - databaseBefore) * 1000) / latencies.length)
    note.rate[server].push((latencies.length * 1000) / result.millis)
    note.middle[server].push(median(latencies))
    note.late[server].push(percentile(latencies, 0.99))
    if (result.refreshTokens.length > 0) refreshTokens = result.refreshTokens
    const statuses = Object.keys(result.byStatus)
    if (result.lost > 0 || statuses.some((status) => status !== "200")) {
      throw new Error(`${titles[server]}, ${title}: ${statuses.join(", ")} and ${result.lost} without an answer`)
    }
  }

  progress("Warming up")
  for (const endpoint of measured) for (const server of servers) await visit(endpoint, server, warmUpMillis)
  const memory = numbers()
  for (const endpoint of measured) {
    const note = noted()
    for (let turn = 0; turn < visits; turn++) {
      progress(`${endpoint.title}, visit ${turn + 1} of ${visits}`)
      for (const server of turn % 2 === 0 ? servers : servers.toReversed()) {
        await visit(endpoint, server, visitMillis, note)
        memory[server].push(rssMiB(stage.servers[server].pid))
      }
    }
    const both = (title: string, values: Record<Server, ReadonlyArray<number>>, unit: string) => {
      for (const server of servers) figure(`${title}, ${titles[server]}`, values[server], unit)
    }
    const ratio = ({ ours, theirs }: Record<Server, ReadonlyArray<number>>) =>
      ours.map((value, at) => value / (theirs[at] ?? Number.NaN))
    const { floor, goal, title } = endpoint
    both(title, note.rate, "/s")
    if (floor === undefined) figure("  ratio (more is better)", ratio(note.rate), "x")
    else figure(`  ratio (more is better; the goal is ${goal})`, ratio(note.rate), "x", atLeast(floor))
    both("  CPU of the server per request", note.cpu, "µs")
    figure("  ratio (less is better)", ratio(note.cpu), "x")
    both("  CPU of Postgres per request", note.database, "µs")
    both("  median latency", note.middle, "ms")
    both("  99 % of the answers within", note.late, "ms")
  }
  for (const server of servers) figure(`memory after each visit, ${titles[server]}`, memory[server], "MiB RSS")
  await stage.stop()
  print(`rest: ${connections} connections, ${items} items`)
})

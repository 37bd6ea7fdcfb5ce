import { randomUUID } from "node:crypto"

import Fastify, { type FastifyRequest } from "fastify"
import { Redis } from "ioredis"

import * as AccessTokens from "./AccessTokens.ts"
import * as Database from "./Database.ts"
import * as Keys from "./Keys.ts"
import * as Media from "./Media.ts"
import * as Principals from "./Principals.ts"
import { Problem } from "./Problem.ts"
import * as Refresh from "./Refresh.ts"

/**
 * What `rest` is compared with: joy's hot routes in Fastify, pg and ioredis, on the same tables and with the same keys,
 * written as somebody would who wants them quick. See the README for what equal tuning means. Its argument is `Settings`
 * as JSON; it prints its port, then a line per request.
 */
export interface Settings {
  readonly databaseUrl: string
  readonly redisUrl: string
  readonly keysFile: string
  readonly issuer: string
  readonly accessTokenSeconds: number
}

const settings: Settings = JSON.parse(process.argv[2] ?? "")
const keys = Keys.read(settings.keysFile)
const database = await Database.connect(settings.databaseUrl)
const redis = new Redis(settings.redisUrl)
const tokens = AccessTokens.make(keys, settings.issuer, settings.accessTokenSeconds)
const principals = Principals.make(database, redis, tokens)
const media = Media.make(database, keys)
const refresh = Refresh.make(database, keys, tokens)

const app = Fastify({
  bodyLimit: 64 * 1024,
  requestTimeout: 30_000,
  keepAliveTimeout: 65_000,
  genReqId: () => randomUUID(),
  // Two lines per request, each with a write of its own, would cost it more than the one below, written in batches.
  logger: false
})

const headers = {
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "x-frame-options": "DENY",
  "cross-origin-opener-policy": "same-origin",
  "permissions-policy": "camera=(), geolocation=(), microphone=()",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cache-control": "no-store"
}
app.addHook("onRequest", (request, reply, done) => {
  reply.headers(headers).header("x-request-id", request.id)
  done()
})

let lines = ""
setInterval(() => {
  if (lines !== "") process.stdout.write(lines)
  lines = ""
}, 250)
app.addHook("onResponse", (request, reply, done) => {
  lines += `${JSON.stringify({
    level: "INFO",
    message: "request",
    time: new Date().toISOString(),
    id: request.id,
    method: request.method,
    path: request.url.split("?", 1)[0],
    status: reply.statusCode,
    ms: Math.round(reply.elapsedTime * 10) / 10,
    ip: request.ip
  })}\n`
  done()
})

app.setErrorHandler<
  Error & { statusCode?: number; validation?: ReadonlyArray<{ instancePath: string; message?: string }> }
>((error, _request, reply) => {
  const problem =
    error instanceof Problem
      ? error
      : error.validation === undefined
        ? new Problem(error.statusCode ?? 500, "internal-error", "Something went wrong")
        : new Problem(400, "invalid-request", "The request is not valid", {
            issues: error.validation.map(({ instancePath, message }) => ({ path: instancePath.slice(1), message }))
          })
  return reply.code(problem.statusCode).type("application/problem+json").send(problem.body)
})
app.setNotFoundHandler((_request, reply) =>
  reply
    .code(404)
    .type("application/problem+json")
    .send(new Problem(404, "not-found", "Nothing is here").body)
)

const listMedia = async (request: FastifyRequest<{ Querystring: Media.ListQuery }>) =>
  media.list(await principals.of(request.headers.authorization), request.query)

const oneItem = async (request: FastifyRequest<{ Params: { readonly id: string } }>) =>
  media.byId(await principals.of(request.headers.authorization), request.params.id)

const exchange = (request: FastifyRequest<{ Body: { readonly refreshToken: string } }>) =>
  refresh.exchange(request.body.refreshToken, { ip: request.ip, userAgent: request.headers["user-agent"] ?? null })

app.get("/media", { schema: { querystring: Media.listQuery } }, listMedia)
app.get("/media/:id", { schema: { params: Media.itemParams } }, oneItem)
app.post("/auth/refresh", { schema: { body: Refresh.refreshBody } }, exchange)

console.log(new URL(await app.listen({ host: "127.0.0.1", port: 0 })).port)

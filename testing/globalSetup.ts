import { randomBytes } from "node:crypto"
import { chmodSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import type { ServerResponse } from "node:http"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"

import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import type { TestProject } from "vitest/node"

import { chromium, faketime, ffmpeg, ffprobe, findOnPath } from "./Executables.ts"
import { PostgresTemplate } from "./PostgresTemplate.ts"
import { RedisServer } from "./RedisServer.ts"
import type { Need } from "./TestServices.ts"

/** `<prefix><process>-<random>`: so that the next run can remove what a killed one left behind. */
const prefix = "joy-test-run-"

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0)
  } catch (cause) {
    return cause instanceof Error && "code" in cause && cause.code === "EPERM"
  }
}

const removeStale = () => {
  for (const name of readdirSync(tmpdir())) {
    if (!name.startsWith(prefix) || isAlive(Number.parseInt(name.slice(prefix.length), 10))) continue
    rmSync(join(tmpdir(), name), { recursive: true, force: true })
  }
}

const findMissing = (): Partial<Record<Need, string>> => ({
  ...(process.env["TEST_REDIS_URL"] === undefined && findOnPath("redis-server") === null
    ? { redis: "no redis-server on PATH and no TEST_REDIS_URL" }
    : {}),
  ...(process.env["TEST_S3_ENDPOINT"] === undefined && findOnPath("versitygw") === null
    ? { s3: "no versitygw on PATH and no TEST_S3_ENDPOINT" }
    : {}),
  ...(chromium() === null ? { chromium: "no chromium on PATH and no CHROMIUM_PATH" } : {}),
  ...(faketime() === null ? { faketime: "no libfaketime below /usr/lib" } : {}),
  ...(ffmpeg() === null || ffprobe() === null ? { ffmpeg: "no ffmpeg and ffprobe on PATH" } : {})
})

const answer = (response: ServerResponse, status: number, body: string) => {
  response.writeHead(status, { "content-type": "application/json" })
  response.end(body)
}

/**
 * The servers of a run, each started when the first test asks for it (`TestServices.ts`) and stopped after the last:
 * a run of tests that need none starts none.
 */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  removeStale()
  const folder = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`))
  // As root, Postgres runs as another user, who must get to its own folder in here.
  if (process.getuid?.() === 0) chmodSync(folder, 0o711)
  const runtimes: Array<{ readonly dispose: () => Promise<void> }> = []
  const lazily = <R, E>(layer: Layer.Layer<R, E>) => {
    const runtime = ManagedRuntime.make(layer)
    runtimes.push(runtime)
    return runtime
  }
  const postgres = lazily(PostgresTemplate.layer(folder))
  const redis = lazily(RedisServer.layer(folder))
  const services: Record<string, () => Promise<unknown>> = {
    postgres: () => postgres.runPromise(PostgresTemplate.useSync((service) => service)),
    redis: () => redis.runPromise(Effect.flatMap(RedisServer, (service) => service.next))
  }

  // Only who knows the token may ask: the answers hold passwords.
  const token = randomBytes(16).toString("hex")
  const server = createServer((request, response) => {
    const [, given, name = ""] = (request.url ?? "").split("/")
    const service = given === token ? services[name] : undefined
    if (service === undefined) return answer(response, 404, "")
    service().then(
      (value) => answer(response, 200, JSON.stringify(value)),
      (cause: unknown) => answer(response, 500, `The test run can't start ${name}: ${String(cause)}`)
    )
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port to listen on")
  project.provide("testServices", `http://127.0.0.1:${address.port}/${token}`)
  project.provide("runFolder", folder)
  project.provide("missing", findMissing())

  return async () => {
    server.close()
    await Promise.all(runtimes.map((runtime) => runtime.dispose()))
    rmSync(folder, { recursive: true, force: true })
  }
}

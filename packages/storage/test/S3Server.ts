import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import * as fs from "node:fs"
import * as http from "node:http"
import { type AddressInfo, createServer } from "node:net"
import * as os from "node:os"
import * as path from "node:path"

import * as Sdk from "@aws-sdk/client-s3"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"

/**
 * A real S3 server for tests: the one at TEST_S3_ENDPOINT (with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), else a
 * versitygw of our own on a temporary folder.
 */

const onPath = (command: string): boolean =>
  (process.env["PATH"] ?? "").split(path.delimiter).some((folder) => fs.existsSync(path.join(folder, command)))

/** Why there is no server to test against; `null` when there is one. */
export const missing: string | null =
  process.env["TEST_S3_ENDPOINT"] !== undefined || onPath("versitygw")
    ? null
    : "TEST_S3_ENDPOINT is not set and versitygw is not on the PATH"

export interface Address {
  readonly endpoint: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

export interface S3ServerShape extends Address {
  /** A client of its own, to do things behind the back of what is tested. */
  readonly client: Sdk.S3Client
  /** Makes an empty bucket with a name of its own. */
  readonly makeBucket: Effect.Effect<string>
}

/** Under the test's clock nothing sleeps, and a process in the making doesn't look at it: this pause is the real one. */
const pause = Effect.callback<void>((resume) => {
  const timer = setTimeout(() => resume(Effect.void), 20)
  return Effect.sync(() => clearTimeout(timer))
})

const freePort = Effect.callback<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const { port } = server.address() as AddressInfo
    server.close(() => resume(Effect.succeed(port)))
  })
})

const answers = (endpoint: string): Effect.Effect<void, "silent"> =>
  Effect.callback((resume) => {
    const request = http.get(endpoint, (response) => {
      response.resume()
      resume(Effect.void)
    })
    request.on("error", () => resume(Effect.fail("silent")))
    return Effect.sync(() => request.destroy())
  })

const hasEnded = (child: ChildProcess) => child.exitCode !== null || child.signalCode !== null

const stop = (child: ChildProcess) =>
  Effect.callback<void>((resume) => {
    if (hasEnded(child)) return resume(Effect.void)
    const force = setTimeout(() => child.kill("SIGKILL"), 5_000)
    child.once("exit", () => {
      clearTimeout(force)
      resume(Effect.void)
    })
    child.kill("SIGTERM")
  })

const temporaryFolder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "joy-s3-"))),
  (folder) => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
)

/**
 * Starts versitygw and waits until it answers. It ends with the scope. With `eventsUrl` it posts there what changes; the
 * address has to answer already.
 */
const startVersity = Effect.fnUntraced(function* (eventsUrl: string | null) {
  const folder = yield* temporaryFolder
  const port = yield* freePort
  const events = eventsUrl === null ? [] : ["--event-webhook-url", eventsUrl]
  const address = {
    endpoint: `http://127.0.0.1:${port}`,
    region: "us-east-1",
    accessKeyId: "joy-test",
    secretAccessKey: "joy-test-secret"
  }
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn("versitygw", ["--quiet", "--keep-alive", "--port", `127.0.0.1:${port}`, ...events, "posix", folder], {
        env: { ...process.env, ROOT_ACCESS_KEY: address.accessKeyId, ROOT_SECRET_KEY: address.secretAccessKey },
        stdio: ["ignore", "ignore", "pipe"]
      })
    ),
    stop
  )
  let said = ""
  child.stderr.on("data", (chunk: Buffer) => (said = (said + chunk.toString()).slice(-2_000)))
  yield* Effect.andThen(pause, answers(address.endpoint)).pipe(
    Effect.retry({ while: () => !hasEnded(child), schedule: Schedule.recurs(500) }),
    Effect.catch(() => Effect.die(new Error(`versitygw did not start: ${said}`)))
  )
  return address
})

const address = Effect.suspend(() => {
  const endpoint = process.env["TEST_S3_ENDPOINT"]
  if (endpoint === undefined) return startVersity(null)
  return Effect.succeed<Address>({
    endpoint,
    region: process.env["AWS_REGION"] ?? "us-east-1",
    accessKeyId: process.env["AWS_ACCESS_KEY_ID"] ?? "",
    secretAccessKey: process.env["AWS_SECRET_ACCESS_KEY"] ?? ""
  })
})

const serverAt = Effect.fnUntraced(function* ({ accessKeyId, endpoint, region, secretAccessKey }: Address) {
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new Sdk.S3Client({
          endpoint,
          region,
          forcePathStyle: true,
          credentials: { accessKeyId, secretAccessKey },
          requestChecksumCalculation: "WHEN_REQUIRED",
          responseChecksumValidation: "WHEN_REQUIRED"
        })
    ),
    (client) => Effect.sync(() => client.destroy())
  )
  const makeBucket = Effect.gen(function* () {
    const Bucket = yield* Effect.sync(() => `joy-test-${randomUUID()}`)
    yield* Effect.promise(() => client.send(new Sdk.CreateBucketCommand({ Bucket })))
    return Bucket
  })
  return { endpoint, region, accessKeyId, secretAccessKey, client, makeBucket }
})

export const make = Effect.flatMap(address, serverAt)

/** A server of one's own that posts to `eventsUrl` what changes. */
export const posting = (eventsUrl: string) => Effect.flatMap(startVersity(eventsUrl), serverAt)

export class S3Server extends Context.Service<S3Server, S3ServerShape>()("@joy/storage/test/S3Server") {
  static readonly layer = Layer.effect(this, make)
}

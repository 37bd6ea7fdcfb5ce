import { spawn } from "node:child_process"
import { mkdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3"

import { freePort } from "./Port.ts"

/** versitygw on a folder, whose folders are its buckets. */
export const credentials = { accessKeyId: "bench", secretAccessKey: "bench-secret" }

export const start = async (folder: string, bucket: string) => {
  mkdirSync(join(folder, bucket), { recursive: true })
  const port = await freePort()
  const endpoint = `http://127.0.0.1:${port}`
  const child = spawn("versitygw", ["--quiet", "--keep-alive", "--port", `127.0.0.1:${port}`, "posix", folder], {
    env: { ...process.env, ROOT_ACCESS_KEY: credentials.accessKeyId, ROOT_SECRET_KEY: credentials.secretAccessKey },
    stdio: "ignore"
  })
  process.on("exit", () => child.kill("SIGKILL"))
  for (let tries = 0; ; tries++) {
    const answer = await fetch(endpoint).catch(() => null)
    if (answer !== null) break
    if (tries > 200) throw new Error("versitygw does not answer")
    await sleep(50)
  }
  return { endpoint, pid: child.pid ?? 0, stop: () => child.kill("SIGKILL") }
}

export const clientOf = (endpoint: string) =>
  new S3Client({ endpoint, credentials, region: "us-east-1", forcePathStyle: true })

/** Puts a file into a bucket, as one object. */
export const put = async (endpoint: string, bucket: string, key: string, path: string) => {
  const client = clientOf(endpoint)
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: readFileSync(path) }))
  client.destroy()
}

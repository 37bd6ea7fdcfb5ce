import { spawn } from "node:child_process"

import { freePort } from "./Port.ts"

/** A Redis that forgets everything, as somebody has who starts several `joy serve`. */
export const start = async (folder: string) => {
  const port = await freePort()
  const child = spawn(
    "redis-server",
    ["--bind", "127.0.0.1", "--port", String(port), "--dir", folder, "--appendonly", "no", "--save", ""],
    { stdio: ["ignore", "pipe", "inherit"] }
  )
  process.on("exit", () => child.kill("SIGKILL"))
  await new Promise<void>((resolve, reject) => {
    child.on("error", () => reject(new Error("redis-server is not on PATH")))
    child.on("exit", (code) => reject(new Error(`redis-server ended with ${code}`)))
    child.stdout.on("data", (chunk: Buffer) => {
      if (chunk.includes("Ready to accept connections")) resolve()
    })
  })
  return { url: `redis://127.0.0.1:${port}`, stop: () => child.kill("SIGTERM") }
}

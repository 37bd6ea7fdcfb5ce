import { spawn } from "node:child_process"
import { join } from "node:path"

import * as Effect from "effect/Effect"

import type { DaemonOptions } from "./RealDaemon.ts"

/** A daemon in a process of its own; `kill` is `kill -9`. */
export const daemonProcess = Effect.fnUntraced(function* (daemon: DaemonOptions) {
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      spawn(process.execPath, [join(import.meta.dirname, "runDaemon.ts"), JSON.stringify(daemon)], {
        stdio: ["ignore", "pipe", "pipe"]
      })
    ),
    (child) => Effect.sync(() => child.kill("SIGKILL"))
  )
  let output = ""
  child.stdout.on("data", (chunk) => (output += chunk))
  child.stderr.on("data", (chunk) => (output += chunk))
  const exited = Effect.callback<void>((resume) => {
    if (child.exitCode !== null || child.signalCode !== null) resume(Effect.void)
    else child.once("exit", () => resume(Effect.void))
  })
  return {
    kill: Effect.andThen(
      Effect.sync(() => child.kill("SIGKILL")),
      exited
    ),
    exited,
    /** Asks it to stop, and says how many milliseconds that took. */
    stop: Effect.suspend(() => {
      const asked = performance.now()
      child.kill("SIGTERM")
      return Effect.map(exited, () => performance.now() - asked)
    }),
    output: Effect.sync(() => output)
  }
})

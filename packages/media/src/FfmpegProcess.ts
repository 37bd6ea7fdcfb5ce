import * as os from "node:os"

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ChildProcess from "effect/process/ChildProcess"
import * as ChildProcessSpawner from "effect/process/ChildProcessSpawner"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"

import type { ToolExit } from "./FfmpegDiagnosis.ts"
import { toolEnvironment } from "./FfmpegTools.ts"

/** A tool that did not start, or ended with something else than 0. */
export class ToolFailure extends Data.TaggedError("ToolFailure")<ToolExit> {}

export interface RunningTool {
  /** What it writes to each of the pipes that were asked for. All have to be read, or it waits. */
  readonly outputs: ReadonlyArray<Stream.Stream<Uint8Array, ToolFailure>>
  /** Completes when the process has ended, however it did. */
  readonly exit: Effect.Effect<ToolExit>
}

/** How much of what a tool says on standard error is kept, from its end. */
const stderrTailBytes = 8 * 2 ** 10

const unreadable = (stderr: string) => () => new ToolFailure({ code: null, signal: null, stderr })

/** Starts a tool that writes to these pipes (1 is standard output). It is killed, and waited for, when the scope closes. */
export const spawnTool = Effect.fnUntraced(function* (
  command: ReadonlyArray<string>,
  pipes: ReadonlyArray<number> = [1]
): Effect.fn.Return<RunningTool, ToolFailure, ChildProcessSpawner.ChildProcessSpawner | Scope.Scope> {
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner
  const further = pipes.filter((pipe) => pipe > 2)
  const handle = yield* spawner
    .spawn(
      ChildProcess.make(command[0] ?? "", command.slice(1), {
        env: toolEnvironment,
        // Ours may be closed to the user that the tool runs as, and is none of its business.
        cwd: "/",
        stdin: "ignore",
        additionalFds: Object.fromEntries(further.map((pipe) => [`fd${pipe}`, { type: "output" }])),
        // There is nothing that such a process would have to finish, and SIGTERM can be ignored.
        killSignal: "SIGKILL",
        forceKillAfter: "2 seconds"
      })
    )
    .pipe(Effect.mapError(unreadable("it could not be started")))
  // People who are watching come first. Too late is harmless: the process may have ended.
  yield* Effect.ignore(Effect.try({ try: () => os.setPriority(handle.pid, 10), catch: unreadable("it ended") }))

  let tail = Buffer.alloc(0)
  const drain = yield* handle.stderr.pipe(
    Stream.runForEach((chunk) =>
      Effect.sync(() => {
        tail = Buffer.concat([tail, chunk]).subarray(-stderrTailBytes)
      })
    ),
    Effect.ignore,
    Effect.forkScoped({ startImmediately: true })
  )
  const exit = handle.exitCode.pipe(
    Effect.match({
      onSuccess: (code) => ({ code: Number(code), signal: null }),
      // The spawner's message has the arguments in it, and so goes no further than this.
      onFailure: (error) => ({ code: null, signal: /SIG[A-Z0-9]+/.exec(String(error.cause))?.[0] ?? "SIGKILL" })
    }),
    // The last lines may arrive after the exit.
    Effect.tap(() => Fiber.await(drain)),
    Effect.map(({ code, signal }) => ({ code, signal, stderr: tail.toString("utf8") }))
  )
  const outputs = pipes.map((pipe) =>
    Stream.mapError(pipe === 1 ? handle.stdout : handle.getOutputFd(pipe), unreadable("its output could not be read"))
  )
  return { outputs, exit }
})

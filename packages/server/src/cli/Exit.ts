import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Runtime from "effect/Runtime"

const isShown = (error: unknown): error is { readonly message: string } =>
  typeof error === "object" && error !== null && "message" in error && typeof error.message === "string"

/** One message for a person; a defect of ours keeps its trace, because somebody will have to find it. */
const describe = (cause: Cause.Cause<unknown>) => {
  const failures = cause.reasons.filter(Cause.isFailReason)
  if (failures.length === 0) return Cause.pretty(cause)
  return failures.map(({ error }) => (isShown(error) ? error.message : String(error))).join("\n")
}

/** Errors that the command-line parser has told already, with the help. */
const isTold = (cause: Cause.Cause<unknown>) =>
  cause.reasons.some(
    (reason) =>
      Cause.isFailReason(reason) &&
      typeof reason.error === "object" &&
      reason.error !== null &&
      "_tag" in reason.error &&
      reason.error._tag === "ShowHelp"
  )

/** Tells why a command failed, on standard error. */
export const reportFailure = <A, E, R>(self: Effect.Effect<A, E, R>) =>
  Effect.tapCause(self, (cause) =>
    Cause.hasInterruptsOnly(cause) || isTold(cause)
      ? Effect.void
      : Effect.sync(() => process.stderr.write(`joy: ${describe(cause)}\n`))
  )

/** 0 when it did what it should, a stop by a signal included; 1 when it failed. */
export const teardown: Runtime.Teardown = (exit, onExit) =>
  onExit(Exit.isSuccess(exit) || Cause.hasInterruptsOnly(exit.cause) ? 0 : 1)

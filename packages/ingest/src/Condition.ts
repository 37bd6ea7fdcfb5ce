import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Schema from "effect/Schema"

/**
 * `resting`: a disk is full. `stalled`: work stands still that this runner should have begun. `draining`: it was asked to
 * stop.
 */
export const RunnerState = Schema.Literals(["starting", "working", "resting", "stalled", "draining"])
export type RunnerState = typeof RunnerState.Type

/** Work stands still, and starting the runner anew does not help. */
export class RunnerBroken extends Schema.TaggedError<RunnerBroken>()("RunnerBroken", {}) {
  override get message() {
    return "Ingest stands still and can't be started anew from within: the log says why. Nothing is lost: start it again"
  }
}

/** How the runner of this process is, for whoever asks whether it is ready. */
export class Condition extends Context.Service<
  Condition,
  {
    readonly current: Effect.Effect<RunnerState>
    /** A runner that was asked to stop stays `draining`. */
    readonly become: (state: RunnerState) => Effect.Effect<void>
    /** Nothing helps: the process is to end, so that it is started anew by whoever looks after it. */
    readonly break: Effect.Effect<void>
    /** Fails when nothing helps. */
    readonly broken: Effect.Effect<never, RunnerBroken>
    /** Whether it takes work and gets on with it. */
    readonly isReady: Effect.Effect<boolean>
  }
>()("@joy/ingest/Condition") {
  static readonly layer: Layer.Layer<Condition> = Layer.effect(
    Condition,
    Effect.gen(function* () {
      const state = yield* Ref.make<RunnerState>("starting")
      const broken = yield* Deferred.make<never, RunnerBroken>()
      return Condition.of({
        break: Effect.asVoid(Deferred.fail(broken, new RunnerBroken())),
        broken: Deferred.await(broken),
        current: Ref.get(state),
        become: (next) => Ref.update(state, (now) => (now === "draining" ? now : next)),
        isReady: Effect.map(Ref.get(state), (now) => now === "working" || now === "resting")
      })
    })
  )
}

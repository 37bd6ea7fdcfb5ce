import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import type * as MessageStorage from "effect/cluster/MessageStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as Singleton from "effect/cluster/Singleton"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"

import { Absences } from "./Absences.ts"
import { Arrivals } from "./Arrivals.ts"
import { Bells } from "./Bells.ts"
import { CatalogChanges } from "./CatalogChanges.ts"
import * as ClusterRunner from "./ClusterRunner.ts"
import { Condition } from "./Condition.ts"
import { Derivatives } from "./Derivatives.ts"
import { Dispatcher } from "./Dispatcher.ts"
import { IngestConfig } from "./IngestConfig.ts"
import * as IngestMetrics from "./IngestMetrics.ts"
import * as IngestObject from "./IngestObject.ts"
import { IngestSteps } from "./IngestSteps.ts"
import { Looks } from "./Looks.ts"
import { Maintenance } from "./Maintenance.ts"
import * as MakeDerivative from "./MakeDerivative.ts"
import { ObjectEvents } from "./ObjectEvents.ts"
import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox } from "./Outbox.ts"
import { PageIngest } from "./PageIngest.ts"
import { Presence } from "./Presence.ts"
import { Purge } from "./Purge.ts"
import { Rebuilds } from "./Rebuilds.ts"
import { type RunnerReport, RunnerRegistry } from "./RunnerRegistry.ts"
import { type RunningScan, ScanJournal } from "./ScanJournal.ts"
import { Scanner } from "./Scanner.ts"
import { ScanReport } from "./ScanReport.ts"
import { Settling } from "./Settling.ts"
import { Signals } from "./Signals.ts"
import { Slots } from "./Slots.ts"
import { Stalls } from "./Stalls.ts"
import { unforeseen } from "./StepErrors.ts"
import { Strays } from "./Strays.ts"
import { Turns } from "./Turns.ts"

/** Shortest time between two scans, whoever wants them: a file that is written to all the time is not to fill the day. */
const breath = Duration.millis(300)
/** After something that should not happen. */
const setback = Duration.seconds(2)
/** How often a runner says that it is there. */
const heartbeat: Duration.Input = "1 second"
/** What a runner that ends may take beyond the steps that it is at. */
const closingGrace = Duration.seconds(10)
/** How often a scan that breaks off is taken up again. */
const mostSetbacks = 5

/** Repeats `work` for ever. Whatever goes wrong is logged, waited for, and tried again. */
const undying = <E, R>(name: string, work: Effect.Effect<unknown, E, R>) =>
  work.pipe(
    Effect.catchCause((cause) =>
      Effect.andThen(Effect.logError(`${name} failed and goes on in a moment`, cause), Effect.sleep(setback))
    ),
    Effect.forever
  )

/** Scans at the start, then whenever the interval has passed or somebody asks. */
const scanning = Effect.gen(function* () {
  const scanner = yield* Scanner
  const bells = yield* Bells
  const presence = yield* Presence
  const config = yield* IngestConfig
  let nextAt = 0
  let setbacks = 0

  /** What breaks a scan each time is not to keep the next ones from what they can do, and is to be seen. */
  const giveUp = Effect.fnUntraced(function* (scan: RunningScan, cause: Cause.Cause<never>) {
    setbacks += 1
    if (setbacks < mostSetbacks || Cause.hasInterruptsOnly(cause)) return yield* Effect.failCause(cause)
    setbacks = 0
    yield* Effect.logError("The scan is given up", cause)
    return yield* scanner.abandon(scan, unforeseen("list").message)
  })

  const once = Effect.gen(function* () {
    yield* presence.held
    const now = yield* Clock.currentTimeMillis
    if (now >= nextAt) yield* scanner.start({ acceptMissing: false })
    const scan = yield* scanner.pending
    if (scan === null) {
      const rest = Duration.millis(Math.max(1, nextAt - now))
      // A bell that tells of a scan may not be heard: it is looked for.
      const woken = yield* bells.woken("scanner", Duration.min(rest, config.poll))
      // Woken without a scan to be done: ingest itself found that the store is not as it was.
      if (woken && (yield* scanner.pending) === null) nextAt = 0
      return
    }
    const end = yield* scanner.run(scan).pipe(Effect.catchCause((cause) => giveUp(scan, cause)))
    if (end.status !== "failed") setbacks = 0
    const ended = yield* Clock.currentTimeMillis
    const took = Duration.millis(ended - now)
    // A large library is not walked through over and over because one file in it grows.
    const soon = Duration.max(Duration.min(config.settle, Duration.millis(500)), took)
    const wait = end.rescan ? Duration.zero : end.unsettled > 0 ? Duration.min(soon, config.interval) : config.interval
    nextAt = ended + Duration.toMillis(wait)
    yield* Effect.sleep(Duration.min(breath, config.interval))
  })
  return yield* undying("The scanner", once)
})

/** What one process does for all. When it ends, another one takes over. */
const singletons = Layer.unwrap(
  Effect.gen(function* () {
    const presence = yield* Presence
    const dispatcher = yield* Dispatcher
    const maintenance = yield* Maintenance
    const rebuilds = yield* Rebuilds
    const looks = yield* Looks
    const purge = yield* Purge
    const whileHeld = (interval: Duration.Input, work: Effect.Effect<void>) =>
      Effect.andThen(presence.held, work).pipe(Effect.andThen(Effect.sleep(interval)))
    const looking = undying("The looker", Effect.andThen(presence.held, looks.once))
    const listening = undying("Listening to the store", looks.listen)
    const dispatch = Effect.andThen(presence.held, Effect.raceFirst(dispatcher.run, presence.lost))
    return Layer.mergeAll(
      // In one process, where they take turns.
      Singleton.make(
        "scanner",
        Effect.all([scanning, looking, listening], { concurrency: "unbounded", discard: true })
      ),
      Singleton.make("dispatcher", undying("The dispatcher", dispatch)),
      Singleton.make("rebuilds", undying("Rebuilding", whileHeld("1 second", rebuilds.advance))),
      Singleton.make("hourly maintenance", undying("Maintenance", whileHeld("1 hour", maintenance.hourly))),
      Singleton.make("purge", undying("Emptying the trash", whileHeld("1 hour", purge.once))),
      Singleton.make("frequent maintenance", undying("Maintenance", whileHeld("1 minute", maintenance.frequent)))
    )
  })
)

/** Says every second that this runner is there and how it is, and looks whether others no longer are. */
const presenting = Layer.effectDiscard(
  Effect.gen(function* () {
    const { shared } = yield* IngestConfig
    const condition = yield* Condition
    const registry = yield* RunnerRegistry
    const slots = yield* Slots
    const stalls = yield* Stalls
    const sharding = yield* Sharding.Sharding
    const { runnerAddress } = yield* ShardingConfig.ShardingConfig
    const address = shared ? Option.match(runnerAddress, { onNone: () => "", onSome: ClusterRunner.nameOf }) : "joy up"

    const report = Effect.fnUntraced(function* (state: RunnerReport["state"]) {
      const inHand = slots.inHand().size
      const shards = ClusterRunner.allShards.filter(sharding.hasShardId).length
      yield* IngestMetrics.showRunner({ inHand, shards })
      yield* registry.report({ address, state, inHand, shards })
    })
    const once = Effect.gen(function* () {
      const standstill = yield* stalls.look
      const state = standstill !== "none" ? "stalled" : slots.isResting() ? "resting" : "working"
      if (state === "stalled" && (yield* condition.current) !== "stalled") {
        yield* Effect.logWarning("Work stands still in this runner")
      }
      yield* condition.become(state)
      yield* report(state)
      const dead = yield* registry.strikeOffDead
      if (dead.length > 0) yield* Effect.logInfo(`Runners are gone: ${dead.join(", ")}`)
    })
    yield* once
    yield* Effect.addFinalizer(() => Effect.ignoreCause(report("draining")))
    yield* Effect.forkScoped(undying("The runner's report", Effect.delay(once, heartbeat)))
    yield* Effect.logInfo(shared ? `Ingest works as runner ${address}` : "Ingest works")
  })
)

const scanner = Layer.merge(Scanner.layer, Looks.layer).pipe(
  Layer.provide(PageIngest.layer),
  Layer.provide([Absences.layer, Arrivals.layer, ScanReport.layer, Settling.layer, Strays.layer]),
  Layer.provide([CatalogChanges.layer, ScanJournal.layer, Turns.layer]),
  Layer.provide([ObjectLedger.layer, Outbox.layer, ObjectEvents.layer])
)

/** What runs on a workflow engine, whichever that is. Gives `Stalls`, who say when it has to be started anew. */
const layerNoDeps = Layer.merge(singletons, presenting).pipe(
  Layer.provide(Dispatcher.layer),
  Layer.provide([IngestObject.layer, MakeDerivative.layer]),
  Layer.provideMerge(Stalls.layer),
  Layer.provide([scanner, IngestSteps.layer, Maintenance.layer, Purge.layer, Rebuilds.layerNoDeps]),
  Layer.provide(Derivatives.layer),
  Layer.provide([ObjectLedger.layer, Outbox.layer, RunnerRegistry.layer, Signals.layer, Bells.layer, Slots.layer])
)

/** Builds the runner, and builds it anew for as long as it comes to a standstill. */
const supervised = <E, R>(runner: Layer.Layer<Stalls, E, R>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { drain } = yield* IngestConfig
      const condition = yield* Condition
      const built = Effect.gen(function* () {
        const scope = yield* Scope.make()
        const context = yield* Layer.buildWithScope(Layer.fresh(runner), scope).pipe(
          Effect.onError((cause) => Scope.close(scope, Exit.failCause(cause)))
        )
        return { scope, stalls: Context.get(context, Stalls) }
      })
      let current = yield* built
      yield* Effect.addFinalizer((exit) => Effect.suspend(() => Scope.close(current.scope, exit)))

      const anew = Effect.gen(function* () {
        yield* current.stalls.hopeless
        yield* Effect.logError("Work stands still: the runner is started anew")
        yield* IngestMetrics.countRestart
        yield* Scope.close(current.scope, Exit.void).pipe(
          Effect.timeoutOrElse({
            duration: Duration.sum(drain, closingGrace),
            orElse: () => Effect.die(new Error("The runner that stands still does not end"))
          })
        )
        current = yield* built
      })
      yield* Effect.forever(anew).pipe(
        Effect.sandbox,
        Effect.catch((cause) =>
          Effect.andThen(Effect.logError("The runner can't be started anew", cause), condition.break)
        ),
        Effect.forkScoped
      )
    })
  )

/**
 * Keeps the catalogue true to the store: scans, works on what it finds, and tidies up, with the runner that is given (see
 * `ClusterRunner`). Fails with `IngestAlreadyRunning` when other processes do that for this database and it may not work
 * beside them.
 */
export const layer = <E, R>(
  runner: Layer.Layer<Sharding.Sharding | MessageStorage.MessageStorage | ShardingConfig.ShardingConfig, E, R>
) =>
  supervised(layerNoDeps.pipe(Layer.provide(ClusterWorkflowEngine.layer), Layer.provide(runner))).pipe(
    // Not before the right to work is there: messages of a daemon that still lives are not ours.
    Layer.provide(Presence.layer)
  )

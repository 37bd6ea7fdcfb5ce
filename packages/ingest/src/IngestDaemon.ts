import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as ClusterWorkflowEngine from "effect/cluster/ClusterWorkflowEngine"
import * as RunnerHealth from "effect/cluster/RunnerHealth"
import * as Runners from "effect/cluster/Runners"
import * as RunnerStorage from "effect/cluster/RunnerStorage"
import * as Sharding from "effect/cluster/Sharding"
import * as ShardingConfig from "effect/cluster/ShardingConfig"
import * as SqlMessageStorage from "effect/cluster/SqlMessageStorage"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Absences } from "./Absences.ts"
import { Dispatcher } from "./Dispatcher.ts"
import { IngestConfig } from "./IngestConfig.ts"
import { IngestLock } from "./IngestLock.ts"
import * as IngestObject from "./IngestObject.ts"
import { IngestSteps } from "./IngestSteps.ts"
import { Maintenance } from "./Maintenance.ts"
import { Moves } from "./Moves.ts"
import { ObjectLedger } from "./ObjectLedger.ts"
import { Outbox } from "./Outbox.ts"
import { PageIngest } from "./PageIngest.ts"
import { type RunningScan, ScanJournal } from "./ScanJournal.ts"
import { Scanner } from "./Scanner.ts"
import { Settling } from "./Settling.ts"
import { Signals } from "./Signals.ts"
import { Strays } from "./Strays.ts"

/** Shortest time between two scans, whoever wants them: a file that is written to all the time is not to fill the day. */
const breath = Duration.millis(300)
/** After something that should not happen. */
const setback = Duration.seconds(2)
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
  const signals = yield* Signals
  const lock = yield* IngestLock
  const config = yield* IngestConfig
  let nextAt = 0
  let setbacks = 0

  /** What breaks a scan each time is not to keep the next ones from what they can do, and is to be seen. */
  const giveUp = Effect.fnUntraced(function* (scan: RunningScan, cause: Cause.Cause<never>) {
    setbacks += 1
    if (setbacks < mostSetbacks || Cause.hasInterruptsOnly(cause)) return yield* Effect.failCause(cause)
    setbacks = 0
    yield* Effect.logError("The scan is given up", cause)
    return yield* scanner.abandon(scan, IngestObject.unforeseen)
  })

  const once = Effect.gen(function* () {
    yield* lock.held
    const now = yield* Clock.currentTimeMillis
    if (now >= nextAt) yield* scanner.start({ acceptMissing: false })
    const scan = yield* scanner.pending
    if (scan === null) {
      const rest = Duration.millis(Math.max(1, nextAt - now))
      // A scan that another process asked for rings no bell here: it is looked for.
      const woken = yield* signals.scannerWoken(Duration.min(rest, config.poll))
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

const loops = Layer.effectDiscard(
  Effect.gen(function* () {
    const lock = yield* IngestLock
    const dispatcher = yield* Dispatcher
    const maintenance = yield* Maintenance
    const whileHeld = (interval: Duration.Input, work: Effect.Effect<void>) =>
      Effect.andThen(lock.held, work).pipe(Effect.andThen(Effect.sleep(interval)))
    yield* Effect.forkScoped(scanning)
    const dispatch = Effect.andThen(lock.held, Effect.raceFirst(dispatcher.run, lock.lost))
    yield* Effect.forkScoped(undying("The dispatcher", dispatch))
    yield* Effect.forkScoped(undying("Maintenance", whileHeld("1 hour", maintenance.hourly)))
    yield* Effect.forkScoped(undying("Maintenance", whileHeld("1 minute", maintenance.frequent)))
  })
)

/**
 * `SingleRunner` without the environment, whose HOST and PORT are the API's. One process works on a database (see
 * `IngestLock`), so no runner talks to another, and all shards are this one's from the start.
 */
const runner = Sharding.layer.pipe(
  Layer.provideMerge(Runners.layerNoop),
  Layer.provideMerge(SqlMessageStorage.layer),
  Layer.provide([RunnerStorage.layerMemory, RunnerHealth.layerNoop]),
  Layer.provide(ShardingConfig.layer({ simulateRemoteSerialization: false }))
)

/** Waits for the lock before it looks at messages: those of a daemon that still lives are not ours. */
const engine = ClusterWorkflowEngine.layer.pipe(Layer.provide(Layer.unwrap(Effect.as(IngestLock, runner))))

const scanner = Scanner.layer.pipe(
  Layer.provide(PageIngest.layer),
  Layer.provide([Absences.layer, Moves.layer, Settling.layer, ScanJournal.layer, Strays.layer]),
  Layer.provide([ObjectLedger.layer, Outbox.layer])
)

/** The services of the daemon on whichever workflow engine there is. */
export const layerNoDeps = loops.pipe(
  Layer.provide(Dispatcher.layer),
  Layer.provide(IngestObject.layer),
  Layer.provide([scanner, IngestSteps.layer, Maintenance.layer]),
  Layer.provide([ObjectLedger.layer, Outbox.layer])
)

/**
 * Keeps the catalogue true to the store: scans, works on what it finds, and tidies up. Fails with `IngestAlreadyRunning`
 * when another process does that for this database.
 */
export const layer = layerNoDeps.pipe(Layer.provide(engine), Layer.provide([IngestLock.layer, Signals.layer]))

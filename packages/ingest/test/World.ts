import { mkdirSync, mkdtempSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"

import * as NodeServices from "@effect/platform-node/NodeServices"
import { ItemIngest } from "@joy/catalog/ItemIngest"
import * as Ffmpeg from "@joy/media/Ffmpeg"
import { Probe } from "@joy/media/Probe"
import type { ProbeResult } from "@joy/media/ProbeResult"
import { Renditions } from "@joy/media/Renditions"
import { Storyboards } from "@joy/media/Storyboards"
import { layerNoDeps as subtitlesLayer, Subtitles } from "@joy/media/Subtitles"
import { Thumbnails } from "@joy/media/Thumbnails"
import * as FolderStore from "@joy/storage/FolderStore"
import { type ObjectStore, SourceStore } from "@joy/storage/ObjectStore"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"

import { Absences } from "../src/Absences.ts"
import { Arrivals } from "../src/Arrivals.ts"
import { Bells } from "../src/Bells.ts"
import { CatalogChanges } from "../src/CatalogChanges.ts"
import type { DerivativeKind } from "../src/DerivativeKind.ts"
import { Derivatives } from "../src/Derivatives.ts"
import { Dispatcher } from "../src/Dispatcher.ts"
import { IngestConfig, type IngestOptions } from "../src/IngestConfig.ts"
import * as IngestObject from "../src/IngestObject.ts"
import { IngestSteps } from "../src/IngestSteps.ts"
import { Looks } from "../src/Looks.ts"
import * as MakeDerivative from "../src/MakeDerivative.ts"
import { ObjectEvents } from "../src/ObjectEvents.ts"
import { ObjectLedger } from "../src/ObjectLedger.ts"
import { Outbox } from "../src/Outbox.ts"
import { PageIngest } from "../src/PageIngest.ts"
import { Presence } from "../src/Presence.ts"
import { RunnerRegistry } from "../src/RunnerRegistry.ts"
import { ScanJournal } from "../src/ScanJournal.ts"
import { Scanner } from "../src/Scanner.ts"
import { ScanReport } from "../src/ScanReport.ts"
import { Settling } from "../src/Settling.ts"
import { Signals } from "../src/Signals.ts"
import { Slots } from "../src/Slots.ts"
import { Strays } from "../src/Strays.ts"
import { Turns } from "../src/Turns.ts"
import * as TestEvents from "./TestEvents.ts"

/** The folders of a library, and what happens in them. */
export class Library extends Context.Service<
  Library,
  {
    readonly root: string
    readonly derivedRoot: string
    /** Writes a file that is an hour old, unless said otherwise. */
    readonly put: (key: string | Buffer, body?: string | Uint8Array, options?: { readonly ageSeconds?: number }) => void
    readonly move: (from: string, to: string) => void
    readonly remove: (key: string) => void
  }
>()("@joy/ingest/test/Library") {
  static readonly layer = Layer.effect(
    Library,
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "joy-ingest-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
      )
      const root = join(folder, "media")
      const derivedRoot = join(folder, "derived")
      mkdirSync(root)
      mkdirSync(derivedRoot)
      const pathOf = (key: string) => {
        const path = join(root, key)
        mkdirSync(dirname(path), { recursive: true })
        return path
      }
      return Library.of({
        root,
        derivedRoot,
        put: (key, body = `body of ${String(key)}`, options = {}) => {
          const path = typeof key === "string" ? pathOf(key) : Buffer.concat([Buffer.from(`${root}/`), key])
          writeFileSync(path, body)
          const time = Date.now() / 1000 - (options.ageSeconds ?? 3600)
          utimesSync(path, time, time)
        },
        move: (from, to) => renameSync(join(root, from), pathOf(to)),
        remove: (key) => rmSync(join(root, key), { recursive: true })
      })
    })
  )
}

/** Answers of a store, each bent by a test. Without one they pass as they are. */
export class StoreFaults extends Context.Service<
  StoreFaults,
  {
    list: (
      list: ReturnType<ObjectStore["list"]>,
      options: Parameters<ObjectStore["list"]>[0]
    ) => ReturnType<ObjectStore["list"]>
    read: (read: ReturnType<ObjectStore["openLocal"]>) => ReturnType<ObjectStore["openLocal"]>
    head: (head: ReturnType<ObjectStore["head"]>) => ReturnType<ObjectStore["head"]>
  }
>()("@joy/ingest/test/StoreFaults") {
  static readonly layer = Layer.sync(StoreFaults, () => ({ list: (it) => it, read: (it) => it, head: (it) => it }))
}

const folder = Effect.flatMap(Library, ({ root }) => FolderStore.make({ root, readOnly: true }))

const sourceOf = <R>(make: Effect.Effect<ObjectStore, never, R>) =>
  Layer.effect(
    SourceStore,
    Effect.gen(function* () {
      const faults = yield* StoreFaults
      const store = yield* make
      return {
        ...store,
        list: (options) => faults.list(store.list(options), options),
        head: (key) => faults.head(store.head(key)),
        openLocal: (key, options) => faults.read(store.openLocal(key, options))
      }
    })
  )

const derived = Layer.unwrap(Effect.map(Library, ({ derivedRoot }) => FolderStore.layerDerived(derivedRoot)))

/** A fresh database, library and stores; `make` makes the one that the originals are in. */
const groundOn = <R>(make: Effect.Effect<ObjectStore, never, R>, options: Partial<IngestOptions>) =>
  Layer.mergeAll(sourceOf(make), derived).pipe(
    Layer.provideMerge(ItemIngest.layer),
    Layer.provideMerge(TestEvents.layer),
    Layer.provideMerge(Layer.mergeAll(Library.layer, StoreFaults.layer, TestDatabase.layerWith({ maxConnections: 8 }))),
    Layer.provideMerge(
      IngestConfig.layer({
        interval: Duration.hours(1),
        settleLook: Duration.millis(300),
        poll: Duration.millis(100),
        retryDelay: Duration.millis(50),
        ...options
      })
    )
  )

export const ground = (options: Partial<IngestOptions> = {}) => groundOn(folder, options)

/** All that a scan needs, on a store of the test's own. Nothing works on what it finds. */
export const scanningOn = <R>(make: Effect.Effect<ObjectStore, never, R>, options: Partial<IngestOptions> = {}) =>
  Layer.merge(Scanner.layer, Looks.layer).pipe(
    Layer.provideMerge(PageIngest.layer),
    Layer.provideMerge(Layer.mergeAll(Absences.layer, Arrivals.layer, ScanReport.layer, Settling.layer, Strays.layer)),
    Layer.provideMerge(Layer.mergeAll(CatalogChanges.layer, ScanJournal.layer, Turns.layer)),
    Layer.provideMerge(Layer.mergeAll(ObjectLedger.layer, Outbox.layer, ObjectEvents.layer)),
    Layer.provideMerge(Layer.merge(Signals.layer, Bells.layer)),
    Layer.provideMerge(groundOn(make, options))
  )

export const scanning = (options: Partial<IngestOptions> = {}) => scanningOn(folder, options)

/** What the tools of media answer. By default every object is a short video with one small picture. */
export class Tools extends Context.Service<
  Tools,
  {
    probe: Probe["Service"]["probe"]
    make: Thumbnails["Service"]["make"]
    storyboard: Storyboards["Service"]["make"]
    rendition: Renditions["Service"]["make"]
    subtitles: Subtitles["Service"]["embedded"]
  }
>()("@joy/ingest/test/Tools") {
  static readonly layer = Layer.sync(Tools, () => ({
    probe: () => Effect.succeed(aVideo),
    make: () =>
      Effect.succeed({
        images: [
          { width: 320, height: 180, format: "webp", bytes: new Uint8Array([1]) },
          { width: 320, height: 180, format: "jpeg", bytes: new Uint8Array([2]) }
        ],
        thumbhash: "aGFzaA=="
      }),
    storyboard: () => Effect.succeed(null),
    rendition: () => Effect.die(new Error("not needed here")),
    subtitles: () => Effect.succeed([])
  }))
}

export const aVideo: ProbeResult = {
  type: "video",
  container: "mp4",
  durationSeconds: 2,
  width: 320,
  height: 180,
  frameRate: 25,
  frameRateFraction: "25/1",
  videoCodec: "h264",
  audioCodec: null,
  bitrate: 1000,
  capturedAt: "2024-05-06T07:08:09Z",
  streams: [],
  chapters: [],
  tags: { title: "NUL \u0000 and half a pair \ud800" },
  pictures: [],
  location: null,
  orientation: null
}

/** Files beside a film are read as they are. */
const realSubtitles = subtitlesLayer.pipe(Layer.provide(Ffmpeg.layer()), Layer.provide(NodeServices.layer))

const tools = Layer.mergeAll(
  Layer.effect(
    Probe,
    Effect.map(Tools, (bent) => Probe.of({ probe: (store, object) => bent.probe(store, object) }))
  ),
  Layer.effect(
    Thumbnails,
    Effect.map(Tools, (bent) => Thumbnails.of({ make: (store, object, probe) => bent.make(store, object, probe) }))
  ),
  Layer.effect(
    Storyboards,
    Effect.map(Tools, (bent) =>
      Storyboards.of({ make: (store, object, probe) => bent.storyboard(store, object, probe) })
    )
  ),
  Layer.effect(
    Renditions,
    Effect.map(Tools, (bent) => Renditions.of({ make: (...args) => bent.rendition(...args) }))
  ),
  Layer.effect(
    Subtitles,
    Effect.gen(function* () {
      const bent = yield* Tools
      const real = yield* Subtitles
      return Subtitles.of({ ...real, embedded: (store, object, probe) => bent.subtitles(store, object, probe) })
    })
  ).pipe(Layer.provide(realSubtitles))
).pipe(Layer.provideMerge(Tools.layer))

/** A runner that is there, alone. */
const runner = Layer.effectDiscard(
  Effect.flatMap(RunnerRegistry, (registry) =>
    registry.report({ address: "test", state: "working", inHand: 0, shards: 300 })
  )
).pipe(
  Layer.provideMerge(RunnerRegistry.layer),
  Layer.provide(Layer.succeed(Presence, { runnerId: 1, held: Effect.void, lost: Effect.never })),
  Layer.provideMerge(Layer.merge(Bells.layer, Slots.layer))
)

/** All kinds that there are; or those without which no item is shown, and others that a test thinks up. */
const derivatives = (kinds: ReadonlyArray<DerivativeKind> | "all") =>
  Layer.effect(
    Derivatives,
    Effect.map(Derivatives, (derivatives) => {
      if (kinds === "all") return derivatives
      return { ...derivatives, kinds: [...derivatives.kinds.filter(({ after }) => after === "probe"), ...kinds] }
    })
  ).pipe(Layer.provide(Derivatives.layer))

/** A scanner, and a dispatcher that works in memory with tools that answer as told. */
export const working = (options: Partial<IngestOptions> = {}, kinds: ReadonlyArray<DerivativeKind> | "all" = []) =>
  Dispatcher.layer.pipe(
    Layer.provideMerge(Layer.merge(IngestObject.layer, MakeDerivative.layer)),
    Layer.provideMerge(IngestSteps.layer),
    Layer.provideMerge(derivatives(kinds)),
    Layer.provideMerge(Layer.merge(WorkflowEngine.layerMemory, runner)),
    Layer.provideMerge(Layer.merge(scanning(options), tools))
  )

/** Runs the dispatcher until the outbox is empty. */
export const workOff = Effect.gen(function* () {
  const dispatcher = yield* Dispatcher
  const fiber = yield* Effect.forkChild(dispatcher.run)
  yield* until(work, (left) => left.length === 0)
  yield* Fiber.interrupt(fiber)
})

/** Scans once, and says how it ended. */
export const scan = Effect.fnUntraced(function* (options: { readonly acceptMissing?: boolean } = {}) {
  const scanner = yield* Scanner
  const journal = yield* ScanJournal
  const id = yield* scanner.start({ acceptMissing: options.acceptMissing ?? false })
  const pending = yield* scanner.pending
  if (pending === null) return yield* Effect.die(new Error("No scan is pending"))
  const end = yield* scanner.run(pending)
  const record = yield* journal.byId(id)
  if (record === null) return yield* Effect.die(new Error("The scan has no record"))
  return { ...record, end }
})

export interface ItemRow {
  readonly id: string
  readonly s3Key: string
  readonly status: string
  readonly title: string
  readonly type: string
  readonly etag: string
  readonly version: number
  readonly userId: string | null
  readonly visibility: string
  readonly failureStep: string | null
  readonly failureMessage: string | null
  readonly failureAttempts: number
  readonly thumbnails: ReadonlyArray<{ readonly width: number; readonly height: number }>
  readonly durationSeconds: number | null
}

/** The items in the order of their keys. */
export const items = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  return yield* sql<ItemRow>`
    SELECT id, s3_key, status, title, type, etag, version, user_id, visibility, failure_step, failure_message,
      failure_attempts, thumbnails, duration_seconds
    FROM media_items ORDER BY s3_key`
})

/** What is to be done, as `key run`. */
export const work = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const found = yield* sql<{ s3Key: string; run: number }>`SELECT s3_key, run FROM ingest_outbox ORDER BY s3_key, run`
  return found.map(({ run, s3Key }) => `${s3Key} ${run}`)
})

export const statuses = Effect.map(items, (all) => Object.fromEntries(all.map((item) => [item.s3Key, item.status])))

/** Asks until the answer is right. */
export const until = <A, E, R>(
  question: Effect.Effect<A, E, R>,
  isRight: (answer: A) => boolean,
  atMost: Duration.Input = "20 seconds"
) =>
  Effect.gen(function* () {
    let answer = yield* question
    while (!isRight(answer)) {
      yield* Effect.sleep("25 millis")
      answer = yield* question
    }
    return answer
  }).pipe(
    Effect.timeoutOrElse({
      duration: atMost,
      orElse: () =>
        Effect.flatMap(question, (answer) => Effect.die(new Error(`It stays ${JSON.stringify(answer, null, 1)}`)))
    })
  )

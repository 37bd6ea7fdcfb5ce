import * as KeyStore from "@joy/auth/KeyStore"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as HttpServer from "effect/http/HttpServer"
import * as Layer from "effect/Layer"

import { Configuration, type Settings } from "../config/Configuration.ts"
import * as FirstStart from "../FirstStart.ts"
import * as ApiLayer from "../layers/ApiLayer.ts"
import * as AuthLayer from "../layers/AuthLayer.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as IngestLayer from "../layers/IngestLayer.ts"
import * as LogLayer from "../layers/LogLayer.ts"
import * as MediaLayer from "../layers/MediaLayer.ts"
import * as Migrations from "../Migrations.ts"
import * as Progress from "../Progress.ts"
import { version } from "../Version.ts"

/** Ctrl-C at a terminal should not wait for somebody else's download. */
const patience = Duration.millis(1500)

const addressOf = (settings: Settings, server: HttpServer.HttpServer["Service"]) => {
  const { address } = server
  if (address._tag === "UnixPathAddress") return address.path
  const host =
    settings.host === "127.0.0.1" ? "localhost" : settings.host.includes(":") ? `[${settings.host}]` : settings.host
  return `http://${host}:${address.port}`
}

const location = ({ source }: Settings) =>
  source._tag === "Folder" ? source.root : `s3://${source.bucket}/${source.prefix}`

/** What a person wants to know once it runs. */
const announce = Effect.gen(function* () {
  const settings = yield* Configuration
  const server = yield* HttpServer.HttpServer
  const administrator = yield* FirstStart.Administrator
  const address = addressOf(settings, server)
  yield* Progress.say(
    [
      "",
      `  Joy Kunga Stream ${version} is running.`,
      "",
      `  Address   ${address}`,
      `  Docs      ${address}/docs`,
      `  Library   ${location(settings)}`,
      ...(administrator === null
        ? []
        : [
            `  User      ${FirstStart.adminName}`,
            `  Password  ${administrator.password}`,
            '            (shown this once; "npx joy admin reset-password" sets another)'
          ]),
      "",
      settings.source._tag === "Folder"
        ? "  Drop video, audio or images into the library; they appear within seconds. Ctrl-C stops."
        : settings.ingestEventsSecret === null
          ? "  What lands in the bucket appears at the next scan. Ctrl-C stops."
          : "  What lands in the bucket appears as soon as its server tells of it. Ctrl-C stops.",
      ...(settings.rateLimits === "off"
        ? ["", "  WARNING: RATE_LIMITS is off: anybody may guess passwords without end."]
        : []),
      ""
    ].join("\n")
  )
  if (administrator !== null) yield* administrator.shown
})

const migrated = Layer.effectDiscard(
  Effect.gen(function* () {
    const ran = yield* Migrations.run
    if (ran.length > 0) yield* Progress.step(`Ran ${ran.length} ${ran.length === 1 ? "migration" : "migrations"}`)
  })
)

const keysReady = Layer.effectDiscard(
  Effect.gen(function* () {
    const { keysFile } = yield* Configuration
    const fs = yield* FileSystem.FileSystem
    if (yield* Effect.orElseSucceed(fs.exists(keysFile), () => false)) return
    yield* Progress.step("Making keys")
    yield* KeyStore.init(keysFile)
  })
)

/** Before the API listens: whoever registers first must not take the administrator's place. */
const administratorReady = Layer.effect(
  FirstStart.Administrator,
  // A set of services of its own: those of the API hear what other processes announce, these do not.
  Effect.provide(FirstStart.administrator, AuthLayer.layerTool, { local: true })
)

const samplesReady = Layer.effectDiscard(FirstStart.samples).pipe(Layer.provide(MediaLayer.layer))

const app = (lost: Deferred.Deferred<never, DatabaseLayer.DatabaseLost>) =>
  Layer.effectDiscard(announce).pipe(
    Layer.provide(IngestLayer.layer({ drain: patience })),
    Layer.provide(ApiLayer.layer({ shutdownTimeout: patience })),
    Layer.provide(administratorReady),
    Layer.provide(samplesReady),
    Layer.provide(keysReady),
    Layer.provide(migrated),
    Layer.provide(DatabaseLayer.owned(lost)),
    Layer.provide(LogLayer.layer),
    Layer.provide(Configuration.layer)
  )

/** Everything in one process, embedded where nothing is configured, until it is stopped. */
export const up = Effect.gen(function* () {
  const lost = yield* Deferred.make<never, DatabaseLayer.DatabaseLost>()
  return yield* Effect.raceFirst(Layer.launch(app(lost)), Deferred.await(lost))
})

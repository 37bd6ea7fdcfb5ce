import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Effect from "effect/Effect"

import * as EmbeddedPostgres from "../../src/postgres/EmbeddedPostgres.ts"

/** A process that looks after the folder it is given, for tests that kill it. Says how it went in one line of JSON. */
const say = (what: unknown) => Effect.sync(() => process.stdout.write(`${JSON.stringify(what)}\n`))

const main = EmbeddedPostgres.start({ dataDir: process.argv[2] ?? "", durable: process.argv[3] !== "volatile" }).pipe(
  Effect.matchEffect({
    onSuccess: ({ pid, port }) => Effect.andThen(say({ pid, port }), Effect.never),
    onFailure: (error) => say({ error: error.reason._tag, message: error.message })
  }),
  Effect.scoped
)

NodeRuntime.runMain(main)

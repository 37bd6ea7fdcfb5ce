import { type Rebuild, Rebuilds } from "@joy/ingest/Rebuilds"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as Migrations from "../Migrations.ts"

const barWidth = 30

const line = ({ done, failed, kind, total }: Rebuild) => {
  const part = total === 0 ? 1 : Math.min(1, done / total)
  const bar = "█".repeat(Math.round(part * barWidth)).padEnd(barWidth, "░")
  return `${kind} ${bar} ${done} of ${total}${failed === 0 ? "" : `, ${failed} failed`}`
}

/** At a terminal one line that changes, elsewhere a line whenever something did. */
const show = (rebuild: Rebuild, before: string) => {
  const now = line(rebuild)
  if (now === before) return Effect.succeed(now)
  return process.stdout.isTTY
    ? Effect.as(
        Effect.sync(() => process.stdout.write(`\r${now}`)),
        now
      )
    : Effect.as(Console.log(now), now)
}

const tool = Rebuilds.layer.pipe(
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provide(DatabaseLayer.found),
  Layer.provide(Configuration.layer)
)

/** Has one kind of derivative made anew, and watches. The runners do it, whether somebody watches or not. */
export const rebuild = Effect.fn("joy ingest rebuild")(function* (flags: { readonly kind: string }) {
  const rebuilds = yield* Rebuilds
  let current: Rebuild | null = yield* rebuilds.start(flags.kind)
  const { id } = current
  yield* Console.log("The runners of ingest do it. Ctrl-C stops watching, not the work.")
  let shown = ""
  while (current !== null) {
    shown = yield* show(current, shown)
    if (current.isFinished) break
    yield* Effect.sleep("500 millis")
    current = yield* rebuilds.byId(id)
  }
  if (process.stdout.isTTY) yield* Console.log("")
}, Effect.provide(tool))

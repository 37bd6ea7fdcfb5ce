import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as Migrations from "../Migrations.ts"
import * as Backup from "../transfer/Backup.ts"
import * as Export from "../transfer/Export.ts"
import * as Import from "../transfer/Import.ts"
import * as Restore from "../transfer/Restore.ts"

/** What goes out of a database, and into another one. */

const told = (counts: Readonly<Record<string, number>>) => {
  const some = Object.entries(counts).filter(([, count]) => count > 0)
  return some.length === 0 ? "nothing" : some.map(([kind, count]) => `${count} ${kind}`).join(", ")
}

/** Standard output may be the file. */
const say = (text: string) => Effect.sync(() => void process.stderr.write(`${text}\n`))

const reading = Layer.effectDiscard(Migrations.requireCurrent).pipe(
  Layer.provideMerge(DatabaseLayer.borrowed({ make: false, applicationName: "joy export" })),
  Layer.provide(Configuration.layer)
)

const filling = Layer.effectDiscard(
  Effect.gen(function* () {
    if ((yield* Migrations.current) === 0) yield* Migrations.run
    else yield* Migrations.requireCurrent
  })
).pipe(
  Layer.provideMerge(DatabaseLayer.borrowed({ make: true, applicationName: "joy import" })),
  Layer.provide(Configuration.layer)
)

export const exportAll = Effect.fn("joy export")(function* (flags: { readonly output: string | null }) {
  const counts = yield* Export.write(flags.output)
  yield* say(`Exported ${told(counts)}${flags.output === null ? "" : ` to ${flags.output}`}.`)
}, Effect.provide(reading))

export const importAll = Effect.fn("joy import")(function* (flags: { readonly file: string }) {
  const counts = yield* Import.read(flags.file)
  yield* say(
    `Imported ${told(counts)}. Items are missing until a scan finds their objects. Passwords don't travel: give each ` +
      'account one with "joy admin reset-password".'
  )
}, Effect.provide(filling))

const backingUp = Layer.effectDiscard(Migrations.requireCurrent).pipe(
  Layer.provideMerge(DatabaseLayer.borrowed({ make: false, applicationName: "joy backup" })),
  Layer.provide(Configuration.layer)
)

const restoring = DatabaseLayer.borrowed({ make: true, applicationName: "joy restore" }).pipe(
  Layer.provide(Configuration.layer)
)

const rowsOf = (counts: Readonly<Record<string, number>>) =>
  Object.values(counts)
    .reduce((sum, count) => sum + count, 0)
    .toLocaleString("en")

export const backup = Effect.fn("joy backup")(function* (flags: { readonly file: string }) {
  const counts = yield* Backup.write(flags.file)
  yield* say(
    `Wrote ${rowsOf(counts)} rows of ${Object.keys(counts).length} tables to ${flags.file}. ` +
      "It holds password hashes: keep it where nobody else reads it, beside a copy of the key file."
  )
}, Effect.provide(backingUp))

export const restore = Effect.fn("joy restore")(function* (flags: {
  readonly file: string
  readonly replace: boolean
}) {
  const counts = yield* Restore.read(flags.file, { replace: flags.replace })
  yield* say(`Restored ${rowsOf(counts)} rows of ${Object.keys(counts).length} tables.`)
}, Effect.provide(restoring))

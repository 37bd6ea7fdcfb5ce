import { ItemIngest } from "@joy/catalog/ItemIngest"
import { Probe } from "@joy/media/Probe"
import { Thumbnails } from "@joy/media/Thumbnails"
import { DerivedStore } from "@joy/storage/ObjectStore"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

/** Between which parts of a step a daemon can be made to die, in the order of their coming. */
export const within = [
  "taken up",
  "probed",
  "probe noted",
  "about to draw",
  "drawn",
  "first picture written",
  "pictures noted, not committed",
  "shown, not committed"
] as const
export type Within = (typeof within)[number]

export interface Places {
  readonly dieAt?: Within | undefined
  readonly hangAt?: Within | undefined
}

/** `kill -9` of this process, once it comes to the place that it is to die at; for ever nothing, where it is to hang. */
const at = (places: Places) => (here: Within) =>
  Effect.suspend(() => {
    if (here === places.dieAt) process.kill(process.pid, "SIGKILL")
    return here === places.dieAt || here === places.hangAt ? Effect.never : Effect.void
  })

/** What the daemon works with, from where it dies. */
export const tools =
  (places: Places) =>
  <E, R>(real: Layer.Layer<Probe | Thumbnails | DerivedStore | ItemIngest, E, R>) => {
    const die = at(places)
    return Layer.mergeAll(
      Layer.effect(
        Probe,
        Effect.map(Probe, ({ probe }) =>
          Probe.of({ probe: (...args) => Effect.tap(probe(...args), () => die("probed")) })
        )
      ),
      Layer.effect(
        Thumbnails,
        Effect.map(Thumbnails, ({ make }) =>
          Thumbnails.of({
            make: (...args) =>
              Effect.andThen(
                die("about to draw"),
                Effect.tap(make(...args), () => die("drawn"))
              )
          })
        )
      ),
      Layer.effect(
        DerivedStore,
        Effect.map(DerivedStore, (store) => ({
          ...store,
          write: (...args: Parameters<typeof store.write>) =>
            Effect.tap(store.write(...args), () => die("first picture written"))
        }))
      ),
      Layer.effect(
        ItemIngest,
        Effect.map(ItemIngest, (items) =>
          ItemIngest.of({
            ...items,
            startProcessing: (...args) => Effect.tap(items.startProcessing(...args), () => die("taken up")),
            recordProbe: (...args) => Effect.tap(items.recordProbe(...args), () => die("probe noted")),
            recordThumbnails: (...args) =>
              Effect.tap(items.recordThumbnails(...args), () => die("pictures noted, not committed")),
            publishReady: (...args) => Effect.tap(items.publishReady(...args), () => die("shown, not committed"))
          })
        )
      )
    ).pipe(Layer.provide(real))
  }

const channel = "joy_deaths"

/** What is committed between two steps, with the change of a table that shows it. */
const changes = {
  "work added": "AFTER INSERT ON ingest_outbox FOR EACH ROW",
  "work handed out":
    "AFTER UPDATE ON ingest_outbox FOR EACH ROW WHEN (OLD.submitted_at IS NULL AND NEW.submitted_at IS NOT NULL)",
  "message stored": "AFTER INSERT ON cluster_messages FOR EACH ROW WHEN (NEW.tag = 'run')",
  "message read":
    "AFTER UPDATE ON cluster_messages FOR EACH ROW WHEN (OLD.last_read IS NULL AND NEW.last_read IS NOT NULL)",
  "step asked for": "AFTER INSERT ON cluster_messages FOR EACH ROW WHEN (NEW.tag = 'activity')",
  "step noted": "AFTER INSERT ON cluster_replies FOR EACH ROW",
  "work done": "AFTER DELETE ON ingest_outbox FOR EACH ROW",
  "run noted":
    "AFTER UPDATE ON cluster_messages FOR EACH ROW WHEN (NEW.tag = 'run' AND NEW.processed AND NOT OLD.processed)"
} as const
export type Between = keyof typeof changes
export const between = Object.keys(changes).filter((name): name is Between => name in changes)

/** Has the database tell of these changes as they are committed. Gives the channel. */
export const announce = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`
    CREATE FUNCTION tell_of_change() RETURNS trigger LANGUAGE plpgsql AS
    ${sql.literal(`$$ BEGIN PERFORM pg_notify('${channel}', TG_ARGV[0]); RETURN NULL; END $$`)}`
  for (const name of between) {
    yield* sql.unsafe(`CREATE TRIGGER "${name}" ${changes[name]} EXECUTE FUNCTION tell_of_change('${name}')`)
  }
  return channel
})

import * as Cluster from "./lib/Cluster.ts"
/**
 * The same files on one `joy ingest`, on two, and on two of which one is killed in the middle.
 *
 * 240 short files (pictures, songs, films) in a folder, one place for each runner, so that a second runner has a processor
 * to itself on a machine of two. Time counts from the files' coming until all are ready. What is begun is counted in the
 * database: what is begun more often than once was done twice, in part at least.
 */
import { atLeast, atMost, figure, print, progress } from "./lib/Figures.ts"
import { withFolder } from "./lib/Folder.ts"
import * as Joy from "./lib/Joy.ts"
import * as Postgres from "./lib/Postgres.ts"
import { cpuMillis } from "./lib/Processes.ts"

const runs = Number(process.argv[2] ?? 3)
const files = 240
/** Steps of a run that say that they begin: looking what it is, drawing. */
const stepsBegun = 2

const kinds = ["one", "two", "killed"] as const
const each = <A>(make: () => A) => ({ one: make(), two: make(), killed: make() })
const seconds = each((): Array<number> => [])
const cpu = each((): Array<number> => [])
const twice: Array<number> = []
const takeover: Array<number> = []
/** How many times as fast as one runner, turn by turn. */
const ratio = (kind: "two" | "killed") => seconds.one.map((one, turn) => one / (seconds[kind][turn] ?? Number.NaN))
let lost = 0
let doubled = 0

await withFolder(async (folder) => {
  progress("Building the bundle")
  Joy.build()
  const postgres = await Postgres.start(folder)
  try {
    for (let turn = 0; turn < runs; turn++) {
      for (const kind of kinds) {
        progress(`${kind}, ${turn + 1} of ${runs}`)
        const cluster = await Cluster.make(folder, postgres, { name: `${kind}_${turn}`, places: 1 })
        await cluster.database.query("CREATE TABLE begun (run integer)")
        await cluster.database.query(`CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
          'BEGIN INSERT INTO begun VALUES (NEW.run); RETURN NULL; END'`)
        await cluster.database.query(`CREATE TRIGGER begun AFTER UPDATE ON ingest_outbox FOR EACH ROW
          WHEN (NEW.starts > OLD.starts) EXECUTE FUNCTION note()`)
        const first = await cluster.start()
        const others = kind === "one" ? [] : [await cluster.start()]
        await cluster.until(Cluster.runners, (count) => count === 1 + others.length)
        await cluster.until(Cluster.fewestShards, (count) => count > 20)

        const before = [first, ...others].map(({ pid }) => cpuMillis(pid))
        const began = performance.now()
        cluster.drop("files", files)
        let killedCpu = 0
        if (kind === "killed") {
          await cluster.until(Cluster.ready, (count) => count >= files / 3)
          killedCpu = cpuMillis(first.pid) - (before[0] ?? 0)
          const killedAt = performance.now()
          await first.kill()
          await cluster.until("SELECT max(shards) FROM ingest_runners", (count) => count === 300)
          takeover.push((performance.now() - killedAt) / 1000)
        }
        await cluster.until(Cluster.ready, (count) => count === files)
        seconds[kind].push((performance.now() - began) / 1000)
        const living = kind === "killed" ? others : [first, ...others]
        const used = living.reduce((sum, { pid }) => sum + cpuMillis(pid), killedCpu)
        const idle = before.reduce((sum, millis) => sum + millis, 0) - (kind === "killed" ? (before[0] ?? 0) : 0)
        cpu[kind].push((used - idle) / 1000)
        await cluster.until(Cluster.undone, (count) => count === 0)
        lost += files - (await cluster.ask(Cluster.ready))
        doubled += await cluster.ask(Cluster.doubled)
        if (kind === "killed") twice.push((await cluster.ask("SELECT count(*) FROM begun")) - stepsBegun * files)
        await Promise.all(living.map(({ stop }) => stop()))
        await cluster.stop()
      }
    }
  } finally {
    await postgres.stop()
  }

  for (const kind of kinds) {
    const name = { one: "one runner", two: "two runners", killed: "two, one of them killed after a third" }[kind]
    figure(`${name}, ${files} files`, seconds[kind], "s")
    figure("  CPU of their Node.js processes", cpu[kind], "s")
  }
  figure("two against one, times as fast", ratio("two"), "times", atLeast(1.5))
  figure("two, one of them killed, against one", ratio("killed"), "times")
  figure("from the kill until all is taken over", takeover, "s", atMost(15))
  figure("steps begun twice", twice, `of ${stepsBegun * files}`, atMost(2))
  figure("lost", [lost], "files", atMost(0))
  figure("told to be ready twice", [doubled], "files", atMost(0))
  print("cluster: the same work on one runner, on two, and with one killed in the middle")
})

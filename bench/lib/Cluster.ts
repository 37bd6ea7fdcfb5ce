import { mkdirSync, readFileSync, renameSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { Client } from "pg"

import * as Joy from "./Joy.ts"
import { ffmpeg } from "./Media.ts"

/** Several `joy ingest` from the bundle on one database and one folder, and what can be seen of them in the database. */

export interface Cluster {
  readonly start: () => Promise<Joy.Joy>
  /** Puts files into the library, all at once: they are old, and taken as they are. */
  readonly drop: (name: string, files: number) => void
  readonly until: (question: string, isRight: (answer: number) => boolean, seconds?: number) => Promise<void>
  readonly ask: (question: string) => Promise<number>
  readonly database: Client
  readonly url: string
  readonly stop: () => Promise<void>
  /** The same after the database was restarted. */
  readonly again: () => Promise<Cluster>
}

const media = new Map<string, Buffer>()

/** A picture, a song and a short film, made once. */
const originals = (folder: string) => {
  if (media.size === 0) {
    const film = "-f lavfi -i testsrc2=size=640x360:rate=24:duration=2 -c:v libx264 -preset veryfast -pix_fmt yuv420p"
    const made = {
      "picture.jpg": "-f lavfi -i testsrc2=size=1600x1200 -frames:v 1",
      "song.mp3": "-f lavfi -i sine=frequency=440:duration=5",
      "film.mp4": `${film} -movflags +faststart`
    }
    for (const [name, args] of Object.entries(made)) {
      ffmpeg([...args.split(" "), join(folder, name)])
      media.set(name.slice(name.indexOf(".")), readFileSync(join(folder, name)))
    }
  }
  return [...media]
}

/** A database of its own on a Postgres that runs, and an empty library. `places`: objects that a runner works on at once. */
export const make = async (
  folder: string,
  postgres: { readonly url: string },
  options: { readonly name: string; readonly places: number; readonly env?: Readonly<Record<string, string>> }
): Promise<Cluster> => {
  const home = join(folder, options.name)
  const library = join(home, "library")
  mkdirSync(library, { recursive: true })
  const admin = new Client({ connectionString: postgres.url })
  await admin.connect()
  await admin.query(`CREATE DATABASE ${options.name}`)
  await admin.end()
  const url = new URL(postgres.url)
  url.pathname = `/${options.name}`
  const settings = {
    DATABASE_URL: url.href,
    MEDIA_DIR: library,
    DERIVED_DIR: join(home, "derived"),
    INGEST_INTERVAL: "1s",
    INGEST_CONCURRENCY: String(options.places),
    ...options.env
  }
  Joy.run("bundle", ["migrate"], home, settings)
  return connect(folder, home, settings)
}

const connect = async (
  folder: string,
  home: string,
  settings: Readonly<Record<string, string>> & { readonly DATABASE_URL: string; readonly MEDIA_DIR: string }
): Promise<Cluster> => {
  const database = new Client({ connectionString: settings.DATABASE_URL })
  // Ends with the server where that is restarted; whoever asks connects anew.
  database.on("error", () => {})
  await database.connect()
  const ask = async (question: string) =>
    Number((await database.query({ text: question, rowMode: "array" })).rows[0]?.[0])
  return {
    database,
    url: settings.DATABASE_URL,
    ask,
    start: () => Joy.start("bundle", "ingest", home, settings),
    drop: (name, files) => {
      const staging = join(home, name)
      mkdirSync(staging)
      const kinds = originals(folder)
      for (let n = 0; n < files; n++) {
        const [ending, body] = kinds[n % kinds.length] ?? ["", Buffer.alloc(0)]
        const path = join(staging, `${n}${ending}`)
        writeFileSync(path, body)
        utimesSync(path, new Date("2024-03-01"), new Date("2024-03-01"))
      }
      renameSync(staging, join(settings.MEDIA_DIR, name))
    },
    until: async (question, isRight, seconds = 300) => {
      for (const began = performance.now(); performance.now() - began < seconds * 1000; await sleep(50)) {
        if (isRight(await ask(question))) return
      }
      throw new Error(`Not in time: ${question} gives ${await ask(question)}`)
    },
    stop: () => database.end(),
    again: () => connect(folder, home, settings)
  }
}

export const ready = "SELECT count(*) FROM media_items WHERE status = 'ready'"
export const undone = `SELECT (SELECT count(*) FROM ingest_outbox)
  + (SELECT count(*) FROM media_items WHERE status NOT IN ('ready', 'failed'))`
/** Shares of the work that a runner holds, at the least. */
export const fewestShards = "SELECT coalesce(min(shards), 0) FROM ingest_runners"
export const runners = "SELECT count(*) FROM ingest_runners"
/** Items that were told more than once to be ready. */
export const doubled = `SELECT count(*) FROM (SELECT 1 FROM events WHERE name = 'media.ready'
  GROUP BY data ->> 'mediaId' HAVING count(*) > 1) AS doubled`

import { linkSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import type { Client } from "pg"

/** A library of very many objects, and the rows that a scan has made of them. */

const perFolder = 1000
const number = (value: number) => String(value).padStart(4, "0")

/**
 * Folders of a thousand names each, which are links to one small file: a million files of their own would only cost disk.
 * `make` makes the file that the others of a folder link to.
 */
export const makeFolders = async (
  root: string,
  objects: number,
  make: (key: string) => Promise<void> = async (key) => writeFileSync(join(root, key), key)
): Promise<void> => {
  for (let at = 0; at < objects; at += perFolder) {
    const folder = number(at / perFolder)
    mkdirSync(join(root, folder), { recursive: true })
    const first = `${folder}/film 0000.mp4`
    await make(first)
    for (let name = 1; name < Math.min(perFolder, objects - at); name++) {
      linkSync(join(root, first), join(root, folder, `film ${number(name)}.mp4`))
    }
  }
}

export interface Row {
  readonly key: string
  readonly etag: string
  readonly sizeBytes: number
}

/** One item stands for all: a scan that finds nothing changed looks at no item. */
export const addRows = async (database: Client, rows: ReadonlyArray<Row>): Promise<void> => {
  await database.query(`INSERT INTO media_items (id, type, title, status, visibility, s3_key, etag, size_bytes)
    VALUES ('018f0000-0000-7000-8000-000000000001', 'video', 'All', 'ready', 'shared', 'all', 'all', 1)`)
  for (let at = 0; at < rows.length; at += 10_000) {
    const page = rows.slice(at, at + 10_000)
    await database.query(
      `INSERT INTO processed_s3_objects (id, s3_key, etag, size_bytes, item_id)
        SELECT gen_random_uuid(), key, etag, size_bytes, '018f0000-0000-7000-8000-000000000001'
        FROM unnest($1::text[], $2::text[], $3::bigint[]) AS page (key, etag, size_bytes)`,
      [page.map(({ key }) => key), page.map(({ etag }) => etag), page.map(({ sizeBytes }) => sizeBytes)]
    )
  }
  await database.query("VACUUM ANALYZE processed_s3_objects")
}

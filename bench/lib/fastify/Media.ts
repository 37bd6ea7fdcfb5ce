import { timingSafeEqual } from "node:crypto"

import type { Database } from "./Database.ts"
import type { Keys } from "./Keys.ts"
import type { Principal } from "./Principals.ts"
import { Problem } from "./Problem.ts"

/** Lists by keyset and single items, with joy's rules of who sees what, and joy's answers. */
export interface ListQuery {
  readonly limit: number
  readonly cursor?: string
  readonly type?: string
  readonly status?: string
  readonly tag?: string
  readonly owner?: "me"
  readonly favourite?: "1"
  readonly sort?: Sort
}

type Sort = "-createdAt" | "createdAt" | "title" | "-durationSeconds"

export const listQuery = {
  type: "object",
  properties: {
    limit: { type: "integer", minimum: 1, maximum: 200, default: 50 },
    cursor: { type: "string", maxLength: 1024 },
    type: { type: "string", enum: ["video", "audio", "image"] },
    status: { type: "string", enum: ["pending", "processing", "ready", "failed", "missing"] },
    tag: { type: "string", maxLength: 100 },
    owner: { type: "string", const: "me" },
    favourite: { type: "string", const: "1" },
    sort: { type: "string", enum: ["-createdAt", "createdAt", "title", "-durationSeconds"] }
  }
} as const

export const itemParams = {
  type: "object",
  required: ["id"],
  properties: { id: { type: "string", format: "uuid" } }
} as const

interface Row {
  readonly id: string
  readonly type: string
  readonly title: string
  readonly description: string | null
  readonly tags: ReadonlyArray<string>
  readonly status: string
  readonly user_id: string | null
  readonly visibility: string
  readonly s3_key: string
  readonly size_bytes: number
  readonly etag: string
  readonly container: string | null
  readonly duration_seconds: number | null
  readonly width: number | null
  readonly height: number | null
  readonly frame_rate: number | null
  readonly video_codec: string | null
  readonly audio_codec: string | null
  readonly bitrate: number | null
  readonly captured_at: string | null
  readonly metadata: unknown
  readonly thumbnails: ReadonlyArray<{ readonly width: number; readonly height: number }>
  readonly thumbhash: string | null
  readonly failure_step: string | null
  readonly failure_message: string | null
  readonly failure_attempts: number
  readonly created_at: string
  readonly updated_at: string
  readonly version: number
}

interface DetailRow extends Row {
  readonly streams: ReadonlyArray<unknown>
  readonly chapters: ReadonlyArray<unknown>
  readonly subtitles: ReadonlyArray<unknown>
  readonly storyboard_sheets: number | null
}

const columns = `
  id, type, title, description, tags, status, user_id, visibility, s3_key, size_bytes::float8 AS size_bytes, etag,
  container, duration_seconds, width, height, frame_rate, video_codec, audio_codec, bitrate::float8 AS bitrate,
  captured_at, metadata, thumbnails, thumbhash, failure_step, failure_message, failure_attempts, created_at, updated_at,
  version`

const orders: Record<Sort, { by: string; after: string; of: (row: Row) => string | number }> = {
  "-createdAt": {
    by: "created_at DESC, id DESC",
    after: "(created_at, id) < ($1::timestamptz, $2::uuid)",
    of: (row) => row.created_at
  },
  createdAt: {
    by: "created_at, id",
    after: "(created_at, id) > ($1::timestamptz, $2::uuid)",
    of: (row) => row.created_at
  },
  title: {
    by: `left(title, 100) COLLATE "C", id`,
    after: `(left(title, 100) COLLATE "C", id) > ($1::text, $2::uuid)`,
    of: (row) => [...row.title].slice(0, 100).join("")
  },
  "-durationSeconds": {
    by: "coalesce(duration_seconds, -1) DESC, id DESC",
    after: "(coalesce(duration_seconds, -1), id) < ($1::float8, $2::uuid)",
    of: (row) => row.duration_seconds ?? -1
  }
}

const mimeTypes: Record<string, string> = {
  mp4: "video/mp4",
  mkv: "video/x-matroska",
  mp3: "audio/mpeg",
  jpg: "image/jpeg"
}
const stableSeconds = 3600

/** The conditions of a statement and the values that they name. */
class Conditions {
  readonly values: Array<unknown> = []
  readonly parts: Array<string> = []

  /** Adds a condition whose `$1`, `$2` are `values`. */
  add(text: string, ...values: ReadonlyArray<unknown>) {
    const before = this.values.length
    this.parts.push(before === 0 ? text : text.replace(/\$(\d)/g, (_, at) => `$${before + Number(at)}`))
    this.values.push(...values)
  }

  visibleTo(principal: Principal) {
    if (!principal.permissions.has("media:write")) this.add("(visibility = 'shared' OR user_id = $1)", principal.userId)
  }

  get text() {
    return this.parts.join(" AND ")
  }
}

/** A cursor belongs to one list of one user. */
const nameOf = (principal: Principal, { cursor: _cursor, limit: _limit, ...rest }: ListQuery) =>
  `media.${principal.userId}.${JSON.stringify(Object.entries(rest).toSorted(([a], [b]) => (a < b ? -1 : 1)))}`

const requireRead = (principal: Principal) => {
  if (!principal.permissions.has("media:read")) {
    throw new Problem(403, "forbidden", "This is not allowed", { detail: "This needs the permission media:read" })
  }
}

export const make = (database: Database, keys: Keys) => {
  const present = (row: Row, principal: Principal) => {
    const seesKey = principal.permissions.has("media:write") || row.user_id === principal.userId
    const exp = (Math.floor(Date.now() / 1000 / stableSeconds) + 2) * stableSeconds
    const signature = keys.sign("thumbnail", `${row.id}.${exp}.${row.visibility}.${row.user_id ?? ""}`)
    const query = `&v=${encodeURIComponent(row.etag)}&exp=${exp}&sig=${signature}`
    return {
      id: row.id,
      type: row.type,
      title: row.title,
      description: row.description,
      tags: row.tags,
      status: row.status,
      ownerId: row.user_id,
      visibility: row.visibility,
      s3Key: seesKey ? row.s3_key : null,
      sizeBytes: row.size_bytes,
      etag: row.etag,
      container: row.container,
      durationSeconds: row.duration_seconds,
      width: row.width,
      height: row.height,
      frameRate: row.frame_rate,
      videoCodec: row.video_codec,
      audioCodec: row.audio_codec,
      bitrate: row.bitrate,
      capturedAt: row.captured_at,
      metadata: row.metadata,
      thumbnails: row.thumbnails.map(({ height, width }) => ({
        width,
        height,
        url: `/media/${row.id}/thumbnail?width=${width}${query}`
      })),
      thumbhash: row.thumbhash,
      failure:
        row.status === "failed" && row.failure_step !== null
          ? {
              step: row.failure_step,
              message: seesKey ? (row.failure_message ?? "") : "This item could not be read",
              attempts: row.failure_attempts
            }
          : null,
      createdAt: row.created_at,
      updatedAt: row.updated_at,
      version: row.version
    }
  }

  const position = (list: string, cursor: string): ReadonlyArray<unknown> => {
    const dot = cursor.lastIndexOf(".")
    const encoded = cursor.slice(0, dot)
    const expected = Buffer.from(keys.sign("cursor", `${list}.${encoded}`))
    const given = Buffer.from(cursor.slice(dot + 1))
    if (expected.length !== given.length || !timingSafeEqual(expected, given)) {
      throw new Problem(400, "invalid-request", "The request is not valid", {
        issues: [{ path: "cursor", message: "This is not a cursor of this list" }]
      })
    }
    return JSON.parse(Buffer.from(encoded, "base64url").toString())
  }

  return {
    list: async (principal: Principal, query: ListQuery) => {
      requireRead(principal)
      const order = orders[query.sort ?? "-createdAt"]
      const list = nameOf(principal, query)
      const where = new Conditions()
      where.add("deleted_at IS NULL")
      where.visibleTo(principal)
      if (query.type !== undefined) where.add("type = $1", query.type)
      if (query.status !== undefined) where.add("status = $1", query.status)
      if (query.tag !== undefined) where.add("tags @> ARRAY[$1]::text[]", query.tag)
      if (query.owner === "me") where.add("user_id = $1", principal.userId)
      if (query.favourite === "1") {
        where.add(
          "EXISTS (SELECT 1 FROM favourites f WHERE f.item_id = media_items.id AND f.user_id = $1)",
          principal.userId
        )
      }
      if (query.cursor !== undefined) where.add(order.after, ...position(list, query.cursor))
      const rows = await database.read<Row>(
        `SELECT ${columns} FROM media_items WHERE ${where.text} ORDER BY ${order.by} LIMIT $${where.values.length + 1}::int`,
        [...where.values, query.limit + 1]
      )
      const shown = rows.slice(0, query.limit)
      const last = rows.length > query.limit ? shown.at(-1) : undefined
      const encoded = last && Buffer.from(JSON.stringify([order.of(last), last.id])).toString("base64url")
      return {
        items: shown.map((row) => present(row, principal)),
        nextCursor: encoded === undefined ? null : `${encoded}.${keys.sign("cursor", `${list}.${encoded}`)}`
      }
    },
    byId: async (principal: Principal, id: string) => {
      requireRead(principal)
      const where = new Conditions()
      where.add("id = $1", id)
      where.add("deleted_at IS NULL")
      where.visibleTo(principal)
      const [row] = await database.read<DetailRow>(
        `SELECT ${columns}, streams, chapters, subtitles, storyboard_sheets FROM media_items WHERE ${where.text}`,
        where.values
      )
      if (row === undefined) throw new Problem(404, "not-found", "There is no such item")
      const mimeType = mimeTypes[row.s3_key.slice(row.s3_key.lastIndexOf(".") + 1)] ?? "application/octet-stream"
      return {
        ...present(row, principal),
        streams: row.streams,
        chapters: row.chapters,
        subtitles: row.subtitles,
        hasStoryboard: row.storyboard_sheets !== null,
        renditions: row.status === "ready" ? [{ id: "original", mimeType, url: `/media/${row.id}/content` }] : []
      }
    }
  }
}

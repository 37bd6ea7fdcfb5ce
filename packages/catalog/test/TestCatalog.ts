import { createHash } from "node:crypto"

import { MediaItems } from "@joy/catalog/MediaItems"
import { PlayableItems } from "@joy/catalog/PlayableItems"
import { AuditNotes, type AuditNote } from "@joy/domain/AuditNotes"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { type Event, Events } from "@joy/domain/Events"
import { ApiKeyId, type MediaItemId, SessionId, UserId } from "@joy/domain/Ids"
import { builtInRoles, expand, type Permission } from "@joy/domain/Permission"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { Signer } from "@joy/domain/Signer"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

const signature = (purpose: string, text: string) =>
  createHash("sha256").update(`${purpose} ${text}`).digest("base64url")

const signer = Layer.succeed(Signer, {
  sign: signature,
  verify: (purpose, text, shown) => shown === signature(purpose, text)
})

export const services = Layer.mergeAll(MediaItems.layer, PlayableItems.layer).pipe(
  Layer.provide(signer),
  Layer.provideMerge(TestDatabase.layer)
)

const uuid = () => SecureRandom.uuidV7Unsafe()

export const as = (role: keyof typeof builtInRoles | "nobody", userId: UserId = UserId.make(uuid())) =>
  Effect.provideService(CurrentPrincipal, {
    userId,
    credential: { kind: "session", sessionId: SessionId.make(uuid()) },
    permissions: role === "nobody" ? new Set<never>() : expand(builtInRoles[role])
  })

export const addUser = Effect.fnUntraced(function* (name: string) {
  const sql = yield* SqlClient.SqlClient
  const id = UserId.make(uuid())
  yield* sql`INSERT INTO users (id, username, username_key) VALUES (${id}, ${name}, ${name})`
  return id
})

export const addItem = Effect.fnUntraced(function* (item: {
  readonly title: string
  readonly owner?: UserId
  readonly createdAt?: string
  readonly seconds?: number | null
  readonly tags?: ReadonlyArray<string>
}) {
  const sql = yield* SqlClient.SqlClient
  const id = uuid() as MediaItemId
  yield* sql`
    INSERT INTO media_items
      (id, type, title, tags, status, user_id, visibility, s3_key, etag, size_bytes, duration_seconds, created_at, width,
       height, frame_rate, bitrate, captured_at, thumbnails, streams)
    VALUES
      (${id}, 'video', ${item.title}, ${[...(item.tags ?? [])]}, 'ready', ${item.owner ?? null},
       ${item.owner === undefined ? "shared" : "private"}, ${`${id}.mp4`}, 'tag', 5000000000, ${item.seconds ?? null},
       ${item.createdAt ?? "2026-01-02T03:04:05.678901Z"}::timestamptz, 1920, 1080, 23.976, 4000000,
       '2025-12-31T23:59:59.5Z'::timestamptz, '[{"width":320,"height":180}]'::jsonb, '[{"index":0,"type":"video"}]'::jsonb)`
  return id
})

/** By an API key of the user's. */
export const byKey = (userId: UserId, permissions: ReadonlyArray<Permission>) =>
  Effect.provideService(CurrentPrincipal, {
    userId,
    credential: { kind: "apiKey", apiKeyId: ApiKeyId.make(uuid()) },
    permissions: new Set(permissions)
  })

export const facts: RequestFacts = { ip: "192.0.2.1", userAgent: "a test" }

/** What was told and written down, the latest last. Undone by nothing. */
export const told: Array<Event> = []
export const noted: Array<AuditNote> = []

export const ports = Layer.mergeAll(
  Layer.succeed(Events, {
    append: (event) => Effect.sync(() => void told.push(event)),
    appendAll: (events) => Effect.sync(() => void told.push(...events))
  }),
  Layer.succeed(AuditNotes, { append: (note) => Effect.sync(() => void noted.push(note)) }),
  signer
)

import { createHash, randomBytes } from "node:crypto"

import { AuditNotes } from "@joy/domain/AuditNotes"
import { type CurrentPrincipal, holderOf, type Principal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import { MediaItemId, ShareId, UserId } from "@joy/domain/Ids"
import * as Keyset from "@joy/domain/Keyset"
import { MediaItemNotFound, Visibility } from "@joy/domain/MediaItem"
import type { Page, PageQuery } from "@joy/domain/Page"
import * as Policy from "@joy/domain/Policy"
import { type Forbidden, InvalidRequest } from "@joy/domain/Problem"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import { type NewShare, type OpenedShare, Share, SharedItem, ShareNotFound } from "@joy/domain/Share"
import { Signer } from "@joy/domain/Signer"
import { ETag } from "@joy/domain/StoredObject"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"

import { decodeRows } from "./ItemRows.ts"
import * as LockedItems from "./LockedItems.ts"
import * as ShareRule from "./ShareRule.ts"
import * as ThumbnailUrls from "./ThumbnailUrls.ts"
import { visibleTo } from "./VisibleItems.ts"

/** 288 random bits as 48 letters. The database has the SHA-256 alone. */
const secret = () => randomBytes(36).toString("base64url")
const hash = (token: string): Uint8Array => createHash("sha256").update(token).digest()

const Position = Schema.Tuple([Timestamp, ShareId])

const Target = Schema.Struct({ ownerId: Schema.NullOr(UserId), visibility: Visibility })

const Opened = Schema.Struct({
  ...SharedItem.fields,
  thumbnails: Schema.Array(Schema.Struct({ width: Schema.Finite, height: Schema.Finite })),
  id: MediaItemId,
  shareId: ShareId,
  etag: ETag,
  ownerId: Schema.NullOr(UserId),
  visibility: Visibility,
  expiresAt: Schema.NullOr(Timestamp)
})

/** Links that open one item without an account. They are made by who may change the item, which is written down. */
export class Shares extends Context.Service<
  Shares,
  {
    /** Makes a link. Its token is known to who gets this answer, and to nobody else. */
    readonly create: (
      id: MediaItemId,
      asked: NewShare,
      facts: RequestFacts
    ) => Effect.Effect<
      Share & { readonly token: Redacted.Redacted },
      MediaItemNotFound | Forbidden | InvalidRequest,
      CurrentPrincipal
    >
    /** A page of the links to an item, without those that were revoked. */
    readonly list: (
      id: MediaItemId,
      query: PageQuery
    ) => Effect.Effect<Page<Share>, MediaItemNotFound | Forbidden | InvalidRequest, CurrentPrincipal>
    readonly revoke: (
      id: MediaItemId,
      shareId: ShareId,
      facts: RequestFacts
    ) => Effect.Effect<void, MediaItemNotFound | ShareNotFound | Forbidden, CurrentPrincipal>
    /** What a link opens, and who has it is for that. Counted. */
    readonly open: (
      token: string
    ) => Effect.Effect<
      Omit<OpenedShare, "playback"> & { readonly itemId: MediaItemId; readonly holder: Principal },
      ShareNotFound
    >
  }
>()("@joy/catalog/Shares") {
  static readonly layer: Layer.Layer<Shares, never, AuditNotes | Signer | SqlClient.SqlClient> = Layer.effect(
    Shares,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const notes = yield* AuditNotes
      const signer = yield* Signer
      const columns = sql`id, created_by, expires_at, opened_count, last_opened_at, created_at`
      const shares = decodeRows(Share)
      const targets = decodeRows(Target)
      const opened = decodeRows(Opened)

      const transaction = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        sql.withTransaction(effect).pipe(Effect.catchIf(isSqlError, Effect.die))

      /** The item, for who may say who sees it. */
      const target = Effect.fnUntraced(function* (id: MediaItemId) {
        const principal = yield* Policy.permission("media:read")
        const [item] = yield* targets(sql`
          SELECT user_id AS owner_id, visibility FROM media_items
          WHERE id = ${id} AND deleted_at IS NULL AND ${visibleTo(sql, principal)} FOR KEY SHARE`)
        if (item === undefined) return yield* new MediaItemNotFound({})
        if (!LockedItems.mayChange(principal, item)) return yield* LockedItems.notYours
        return { ...item, principal }
      })

      const create = Effect.fn("Shares.create")(function* (
        id: MediaItemId,
        { expiresAt = null }: NewShare,
        facts: RequestFacts
      ) {
        const { ownerId, principal, visibility } = yield* target(id)
        const token = secret()
        const shareId = ShareId.make(SecureRandom.uuidV7Unsafe())
        const [made] = yield* shares(sql`
          INSERT INTO shares (id, item_id, created_by, token_hash, visibility, owner_id, expires_at)
          SELECT ${shareId}::uuid, ${id}::uuid, ${principal.userId}::uuid, ${hash(token)}::bytea, ${visibility}::text,
            ${ownerId}::uuid, ${expiresAt}::text::timestamptz
          WHERE coalesce(${expiresAt}::text::timestamptz > now(), true)
          RETURNING ${columns}`)
        if (made === undefined) {
          return yield* new InvalidRequest({ issues: [{ path: "expiresAt", message: "This time is past" }] })
        }
        yield* notes.append({
          action: "share.created",
          actorId: principal.userId,
          subjectId: ownerId,
          sessionId: sessionIdOf(principal),
          facts,
          detail: { item: id, share: shareId }
        })
        return { ...made, token: Redacted.make(token) }
      }, transaction)

      const list = Effect.fn("Shares.list")(function* (id: MediaItemId, query: PageQuery) {
        yield* target(id)
        const name = `shares.${id}`
        const after = yield* Keyset.position(signer, name, Position, query.cursor)
        const rows = yield* shares(sql`
          SELECT ${columns} FROM shares
          WHERE item_id = ${id} AND revoked_at IS NULL
            AND ${after === null ? sql`TRUE` : sql`(created_at, id) < (${after[0]}::timestamptz, ${after[1]}::uuid)`}
          ORDER BY created_at DESC, id DESC LIMIT ${Keyset.rowLimit(query)}::int`)
        return Keyset.page(signer, name, query, rows, (last) => [last.createdAt, last.id])
      })

      const revoke = Effect.fn("Shares.revoke")(function* (id: MediaItemId, shareId: ShareId, facts: RequestFacts) {
        const { ownerId, principal } = yield* target(id)
        const [revoked] = yield* shares(sql`
          UPDATE shares SET revoked_at = now() WHERE id = ${shareId} AND item_id = ${id} AND revoked_at IS NULL
          RETURNING ${columns}`)
        if (revoked === undefined) return yield* new ShareNotFound({})
        yield* notes.append({
          action: "share.revoked",
          actorId: principal.userId,
          subjectId: ownerId,
          sessionId: sessionIdOf(principal),
          facts,
          detail: { item: id, share: shareId }
        })
      }, transaction)

      const open = Effect.fn("Shares.open")(function* (token: string) {
        const [found] = yield* opened(sql`
          UPDATE shares SET opened_count = opened_count + 1, last_opened_at = now()
          FROM media_items, users
          WHERE shares.token_hash = ${hash(token)} AND ${ShareRule.holds(sql)}
          RETURNING media_items.id, shares.id AS share_id, type, title, description, status, duration_seconds, width, height, thumbnails,
            thumbhash, etag, user_id AS owner_id, media_items.visibility, shares.expires_at`)
        if (found === undefined) return yield* new ShareNotFound({})
        const { etag, expiresAt, id, ownerId, shareId, thumbnails, visibility, ...item } = found
        const nowSeconds = (yield* Clock.currentTimeMillis) / 1000
        const urlOf = ThumbnailUrls.sign(signer, { id, etag, ownerId, visibility }, nowSeconds)
        return {
          item: { ...item, thumbnails: thumbnails.map(({ height, width }) => ({ width, height, url: urlOf(width) })) },
          expiresAt,
          itemId: id,
          holder: holderOf(shareId)
        }
      })

      return Shares.of({ create, list, revoke, open })
    })
  )
}

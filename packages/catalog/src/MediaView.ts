import type { Principal } from "@joy/domain/CurrentPrincipal"
import type { MediaItem } from "@joy/domain/MediaItem"
import { Signer } from "@joy/domain/Signer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

import { type MediaRow, toMediaItem } from "./MediaRow.ts"
import * as ThumbnailUrls from "./ThumbnailUrls.ts"

const seesKey = (principal: Principal, row: MediaRow) =>
  principal.permissions.has("media:write") || row.userId === principal.userId

/** Makes items of rows as a principal may see them, with URLs of thumbnails that work from now on. */
export const presenter = Effect.map(
  Signer,
  (signer) =>
    (principal: Principal): Effect.Effect<(row: MediaRow) => MediaItem> =>
      Effect.map(Clock.currentTimeMillis, (millis) => (row) => {
        const signed = { id: row.id, visibility: row.visibility, ownerId: row.userId, etag: row.etag }
        return toMediaItem(row, seesKey(principal, row), ThumbnailUrls.sign(signer, signed, millis / 1000))
      })
)

/** Names all but the row that `presenter` goes by. */
export const viewOf = (principal: Principal, row: MediaRow): Effect.Effect<string> =>
  Effect.map(
    Clock.currentTimeMillis,
    (millis) => `${ThumbnailUrls.periodOf(millis / 1000)} ${seesKey(principal, row) ? "key" : ""}`
  )

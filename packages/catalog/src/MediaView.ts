import type { Principal } from "@joy/domain/CurrentPrincipal"
import type { MediaItem } from "@joy/domain/MediaItem"
import { Signer } from "@joy/domain/Signer"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"

import { type MediaRow, toMediaItem } from "./MediaRow.ts"
import * as ThumbnailUrls from "./ThumbnailUrls.ts"

const seesKey = (principal: Principal, row: MediaRow) =>
  principal.permissions.has("media:write") || row.userId === principal.userId

/** How a principal sees rows at this moment. */
export interface View {
  /** Makes an item of a row, with URLs of thumbnails that work from now on. */
  readonly present: (row: MediaRow) => MediaItem
  /** The same for those who are shown the same item of a row. */
  readonly nameFor: (row: MediaRow) => string
}

export const viewer = Effect.map(
  Signer,
  (signer) =>
    (principal: Principal): Effect.Effect<View> =>
      Effect.map(Clock.currentTimeMillis, (millis) => {
        const nowSeconds = millis / 1000
        const period = ThumbnailUrls.periodOf(nowSeconds)
        return {
          present: (row) => {
            const signed = { id: row.id, visibility: row.visibility, ownerId: row.userId, etag: row.etag }
            return toMediaItem(row, seesKey(principal, row), ThumbnailUrls.sign(signer, signed, nowSeconds))
          },
          nameFor: (row) => `${period} ${seesKey(principal, row) ? "with key" : ""}`
        }
      })
)

import type { MediaItemId, UserId } from "@joy/domain/Ids"
import type { Visibility } from "@joy/domain/MediaItem"
import type { Signer } from "@joy/domain/Signer"
import type { ETag } from "@joy/domain/StoredObject"

/**
 * URLs of thumbnails that need no header, because image elements can't send one. The signature covers who may see the
 * item, so that it dies when a shared item becomes private or changes hands.
 */

/** What a signature speaks of. */
export interface SignedItem {
  readonly id: MediaItemId
  readonly visibility: Visibility
  readonly ownerId: UserId | null
}

/** URLs stay the same for an hour, so that browsers cache the pictures, and work for one to two. */
const stableSeconds = 3600

const text = (item: SignedItem, exp: number) => `${item.id}.${exp}.${item.visibility}.${item.ownerId ?? ""}`

/** In which of the times the URLs stay the same. */
export const periodOf = (nowSeconds: number): number => Math.floor(nowSeconds / stableSeconds)

/** Makes the URLs of an item's thumbnails; `nowSeconds` is the clock in seconds since the epoch. */
export const sign = (signer: Signer["Service"], item: SignedItem & { readonly etag: ETag }, nowSeconds: number) => {
  const exp = (periodOf(nowSeconds) + 2) * stableSeconds
  const query = `v=${encodeURIComponent(item.etag)}&exp=${exp}&sig=${signer.sign("thumbnail", text(item, exp))}`
  return (width: number): string => `/media/${item.id}/thumbnail?width=${width}&${query}`
}

/** Whether a signed URL is ours, speaks of the item as it is now, and has not run out. */
export const verify = (
  signer: Signer["Service"],
  item: SignedItem,
  signature: { readonly exp: number; readonly sig: string },
  nowSeconds: number
): boolean => signature.exp > nowSeconds && signer.verify("thumbnail", text(item, signature.exp), signature.sig)

import type { Pending } from "./Frames.ts"

/** Of a frame that begins with a mark: what its head says. */
export interface FrameHead {
  /** Of all of it, the head included. */
  readonly bytes: number
  readonly headBytes: number
  /** What no frame of the same stream has otherwise. */
  readonly signature: number
}

/** Most bytes of a head. */
export const headBytes = 9

/**
 * Reads the frames of one stream out of what is pending, and passes over what is none: tags at the end, damage in between.
 * Where it is not in step, a frame counts if another follows it, or nothing.
 */
export const syncedReader = (
  headAt: (bytes: Uint8Array, at: number) => FrameHead | null,
  found: (head: FrameHead, bytes: Uint8Array, at: number, base: number) => void
) => {
  let signature: number | null = null
  let isInStep = false
  return ({ base, bytes, isLast }: Pending): number => {
    let at = 0
    while (true) {
      at = bytes.indexOf(0xff, at)
      if (at < 0) return bytes.length
      // The next head is looked at too, where one has to follow.
      if (!isLast && at + headBytes > bytes.length) return at
      const head = headAt(bytes, at)
      const isOne = head !== null && (signature === null || head.signature === signature)
      if (!isOne) {
        isInStep = false
        at++
        continue
      }
      const end = at + head.bytes
      if (!isLast && end + headBytes > bytes.length) return at
      const next = headAt(bytes, end)
      const isFollowed = end === bytes.length || next?.signature === head.signature
      if (end > bytes.length || (!isInStep && !isFollowed)) {
        isInStep = false
        at++
        continue
      }
      signature = head.signature
      isInStep = true
      found(head, bytes, at, base)
      at = end
    }
  }
}

import type { ByteString } from "./ByteString.ts"
import type { CallFailed } from "./SyncCalls.ts"

/** A listing that could not go on: the root, or what everything depends on, failed. Thrown, and sent between threads. */
export class ListingFailed {
  readonly where: "root" | "entry"
  readonly path: ByteString
  readonly code: string
  readonly detail: string

  constructor(where: "root" | "entry", path: ByteString, { code, detail }: CallFailed) {
    this.where = where
    this.path = path
    this.code = code
    this.detail = detail
  }
}

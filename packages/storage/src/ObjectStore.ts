import type { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"

import type {
  ObjectChanged,
  ObjectNotFound,
  PresignUnsupported,
  RangeNotSatisfiable,
  StoreReadOnly,
  StoreUnavailable
} from "./StoreError.ts"

/** An entry of a listing that can't be used as an object, and why: a name that is no UTF-8, a dangling link. */
export interface UnusableEntry {
  /**
   * The key as far as it can be written down: bytes that are not UTF-8 stand as `\xNN`. One that ends in `/` is a folder
   * that could not be read, so that nothing is known of what is below it: its objects are not gone.
   */
  readonly key: string
  readonly reason: string
}

/** A part of a listing, in the byte order of keys. */
export interface ObjectPage {
  readonly objects: ReadonlyArray<StoredObject>
  readonly unusable: ReadonlyArray<UnusableEntry>
  /** Where the next page starts (exclusive); `null` at the end. */
  readonly nextStartAfter: string | null
}

/** Bytes of an object: `start` is the first, `end` the last, both counted from zero (RFC 9110, 14.1.2). */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ReadOptions {
  /** The bytes wanted; the whole object when absent. An `end` beyond the object is cut to its length. */
  readonly range?: ByteRange | undefined
  /** Fails with `ObjectChanged` unless the object still has this version. */
  readonly ifMatch?: ETag | undefined
}

export interface ObjectBody {
  readonly object: StoredObject
  /** The range that `stream` gives, cut to the object; `null` for an empty object. */
  readonly range: ByteRange | null
  /** The bytes, pulled as they are consumed. Fails when the store breaks off before the end of the range. */
  readonly stream: Stream.Stream<Uint8Array, StoreUnavailable>
}

/** An open file of a store that keeps its objects on this machine. Closed with the scope that opened it. */
export interface LocalFile {
  readonly object: StoredObject
  readonly fd: number
}

/** Where something may have changed, as a store tells of it: one key, what is below a folder, or anything at all. */
export type StoreChange =
  | { readonly _tag: "Key"; readonly key: ObjectKey }
  /** The key of a folder, which ends in `/`. */
  | { readonly _tag: "Below"; readonly prefix: string }
  | { readonly _tag: "Anything" }

export interface ObjectStore {
  readonly kind: "folder" | "s3"
  /** For people: the folder's path or `s3://bucket/prefix`. */
  readonly location: string
  /**
   * Lists up to `limit` entries (1 to 1,000, default 1,000) whose keys begin with `prefix` and come after `startAfter`,
   * and not after `upTo`. A page may hold fewer, or none, and still not be the last: only `nextStartAfter` says that. Names that are not UTF-8
   * come on top of the limit, since no page can start behind one. `.joy/` is never listed.
   */
  readonly list: (options?: {
    readonly prefix?: string | undefined
    readonly startAfter?: string | undefined
    readonly upTo?: string | undefined
    readonly limit?: number | undefined
  }) => Effect.Effect<ObjectPage, StoreUnavailable>
  readonly head: (key: ObjectKey) => Effect.Effect<StoredObject, ObjectNotFound | StoreUnavailable>
  /**
   * Tells of changes as they happen, some at a time, beginning with `Anything` when it has begun to listen; `null` where
   * the store tells nothing by itself. No promise: some may be missed, and some told that are none. Fails when it can't
   * listen any more.
   */
  readonly watch: Stream.Stream<ReadonlyArray<StoreChange>, StoreUnavailable> | null
  /** Opens an object for reading. Everything it holds is freed when the scope closes, also in the middle of a read. */
  readonly read: (
    key: ObjectKey,
    options?: ReadOptions
  ) => Effect.Effect<ObjectBody, ObjectNotFound | ObjectChanged | RangeNotSatisfiable | StoreUnavailable, Scope.Scope>
  /** Opens the file behind an object where there is one; `null` on a remote store. */
  readonly openLocal: (
    key: ObjectKey,
    options?: { readonly ifMatch?: ETag | undefined }
  ) => Effect.Effect<LocalFile | null, ObjectNotFound | ObjectChanged | StoreUnavailable, Scope.Scope>
  /** Writes an object whole or not at all: nobody ever reads half of it. */
  readonly write: (
    key: ObjectKey,
    body: Uint8Array,
    options?: { readonly contentType?: string | undefined }
  ) => Effect.Effect<StoredObject, StoreReadOnly | StoreUnavailable>
  /** As `write`, of what is in a file of this machine, of which little is in memory at a time. */
  readonly writeFile: (
    key: ObjectKey,
    path: string,
    options?: { readonly contentType?: string | undefined }
  ) => Effect.Effect<StoredObject, StoreReadOnly | StoreUnavailable>
  /** Deletes an object; one that is not there is deleted already. */
  readonly delete: (key: ObjectKey) => Effect.Effect<void, StoreReadOnly | StoreUnavailable>
  /** A URL that reads the object without credentials for `expiresIn`, as `contentType` where one is said. */
  readonly presignGet: (
    key: ObjectKey,
    options: { readonly expiresIn: Duration.Input; readonly contentType?: string | undefined }
  ) => Effect.Effect<string, PresignUnsupported>
  /** A URL that writes exactly this type and length without credentials for `expiresIn`. */
  readonly presignPut: (
    key: ObjectKey,
    options: { readonly expiresIn: Duration.Input; readonly contentType: string; readonly sizeBytes: number }
  ) => Effect.Effect<string, PresignUnsupported>
}

/** Where the originals are. Read by everything, written by nothing but a deletion that a user asked for. */
export class SourceStore extends Context.Service<SourceStore, ObjectStore>()("@joy/storage/SourceStore") {}

/** Where what is made from the originals goes: `<item>/<etag>/<name>`. Never listed as media. */
export class DerivedStore extends Context.Service<DerivedStore, ObjectStore>()("@joy/storage/DerivedStore") {}

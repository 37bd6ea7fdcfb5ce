import { ObjectKey, type StoredObject } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"

import type { ObjectPage, ObjectStore, ReadOptions } from "../src/ObjectStore.ts"

export interface StoreUnderTest {
  /** Empty, writable, and of this test alone. */
  readonly store: ObjectStore
  /** Puts an object there without the store. */
  readonly put: (key: string, body: Uint8Array) => Effect.Effect<void>
  /** Whether it can sign URLs. */
  readonly presigns: boolean
}

/** Names that have broken stores. A file system can hold them too: none is both an object and a folder. */
export const oddKeys = [
  " leading and trailing ",
  "#?&=;:@$,.mp4",
  "%",
  "%2F",
  "100% sure + more.mp4",
  ".hidden",
  ".folder/.also hidden.mkv",
  ".joyful/no reserved name.mp4",
  "a-",
  "a/1",
  "a/b-",
  "a/b/2",
  "a/b0",
  "a0",
  "back\\slash",
  `quote"'<>.mp4`,
  "~tilde!*()",
  // Both are one letter on the screen. No store makes one of the other.
  "caf\u00e9.mp4",
  "cafe\u0301.mp4",
  "日本語/映画.mkv",
  // By UTF-16 the second comes first, by bytes it doesn't.
  "\u{ff5e}",
  "\u{1f600}",
  `${"d".repeat(250)}/${"e".repeat(250)}/${"f".repeat(250)}/${"g".repeat(250)}`
]

export const inByteOrder = (keys: ReadonlyArray<string>) =>
  [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))

export const bytes = (text: string) => new TextEncoder().encode(text)
export const key = (text: string) => ObjectKey.make(text)

/** Bytes that differ everywhere, so that a piece out of place shows. */
export const pattern = (length: number): Uint8Array => {
  const body = new Uint8Array(length)
  for (let index = 0; index < length; index++) body[index] = (index * 31 + (index >>> 8) * 7 + (index >>> 16)) & 255
  return body
}

export const collect = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks))

export const readAll = (store: ObjectStore, name: string, options?: ReadOptions) =>
  Effect.scoped(
    Effect.flatMap(store.read(key(name), options), (body) =>
      Effect.map(collect(body.stream), (data) => ({ ...body, data }))
    )
  )

/** Follows a listing to its end. */
export const listAll = Effect.fnUntraced(function* (
  store: ObjectStore,
  options: {
    readonly prefix?: string
    readonly startAfter?: string
    readonly upTo?: string
    readonly limit?: number
  } = {}
) {
  const objects: Array<StoredObject> = []
  const pages: Array<number> = []
  let startAfter: string | null | undefined = options.startAfter
  do {
    const page: ObjectPage = yield* store.list({ ...options, startAfter: startAfter ?? undefined })
    objects.push(...page.objects)
    pages.push(page.objects.length)
    startAfter = page.nextStartAfter
  } while (startAfter !== null)
  return { objects, keys: objects.map((object): string => object.key), pages }
})

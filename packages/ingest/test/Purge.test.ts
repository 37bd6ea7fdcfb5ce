import { existsSync } from "node:fs"
import { join } from "node:path"

import { assert, layer } from "@effect/vitest"
import { MediaItemId } from "@joy/domain/Ids"
import { ObjectKey } from "@joy/domain/StoredObject"
import * as FolderStore from "@joy/storage/FolderStore"
import { DerivedStore } from "@joy/storage/ObjectStore"
import { StoreReadOnly } from "@joy/storage/StoreError"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"

import { Purge, SourceDeletion } from "../src/Purge.ts"
import { items, Library, scan, scanning } from "./World.ts"

const deletion = Layer.effect(
  SourceDeletion,
  Effect.map(Library, ({ root }) => {
    const store = FolderStore.make({ root, readOnly: false })
    return SourceDeletion.of({ delete: (key) => Effect.scoped(Effect.flatMap(store, (open) => open.delete(key))) })
  })
)
const refusal = Layer.succeed(SourceDeletion, { delete: (key) => Effect.fail(new StoreReadOnly({ key })) })
const world = (may: typeof deletion | typeof refusal = deletion) =>
  Purge.layer.pipe(Layer.provideMerge(may), Layer.provideMerge(scanning()))

const keys = Effect.map(items, (all) => all.map(({ s3Key }) => s3Key))

/** Throws an item away, some days ago, and gives its id and that of something made of it. */
const trash = Effect.fnUntraced(function* (key: string, days: number, options: { readonly source?: boolean } = {}) {
  const sql = yield* SqlClient.SqlClient
  const derived = yield* DerivedStore
  const id = MediaItemId.make((yield* items).find(({ s3Key }) => s3Key === key)?.id ?? "")
  yield* sql`DELETE FROM ingest_outbox WHERE item_id = ${id}`
  yield* sql`
    UPDATE media_items SET deleted_at = now() - make_interval(days => ${days}::integer),
      delete_source = ${options.source ?? false} WHERE id = ${id}`
  const picture = ObjectKey.make(`${id}/version/thumbnail-320.webp`)
  yield* derived.write(picture, new Uint8Array([1]))
  return { id, picture }
})

const isThere = Effect.fnUntraced(function* (key: ObjectKey) {
  const { derivedRoot } = yield* Library
  return existsSync(join(derivedRoot, key))
})

const purge = Effect.flatMap(Purge, ({ once }) => once)

layer(world())("what leaves the trash", (it) => {
  it.effect("does so after its time, with all that was made of it, and does not come back with the next scan", () =>
    Effect.gen(function* () {
      const library = yield* Library
      for (const name of ["keep.mp4", "late.mp4", "gone.mp4"]) library.put(name)
      yield* scan()
      const late = yield* trash("late.mp4", 29)
      const gone = yield* trash("gone.mp4", 31)

      yield* purge
      assert.deepStrictEqual(yield* keys, ["keep.mp4", "late.mp4"])
      assert.isTrue(yield* isThere(late.picture))
      assert.isFalse(yield* isThere(gone.picture))
      assert.isTrue(existsSync(join(library.root, "gone.mp4")), "the library is never written to")

      yield* scan()
      yield* scan()
      assert.deepStrictEqual(yield* keys, ["keep.mp4", "late.mp4"])

      // Another object under the key is something new.
      library.put("gone.mp4", "another film")
      yield* scan()
      assert.deepStrictEqual(yield* keys, ["gone.mp4", "keep.mp4", "late.mp4"])
    })
  )
})

layer(world())("objects of what leaves the trash", (it) => {
  it.effect("are deleted where a user asked for it, in the version that was thrown away [M8]", () =>
    Effect.gen(function* () {
      const library = yield* Library
      for (const name of ["mine.mp4", "swapped.mp4", "nobody-asked.mp4"]) library.put(name)
      yield* scan()
      yield* trash("mine.mp4", 31, { source: true })
      yield* trash("swapped.mp4", 31, { source: true })
      yield* trash("nobody-asked.mp4", 31)
      library.put("swapped.mp4", "something else, which nobody threw away")

      yield* purge
      assert.deepStrictEqual(yield* keys, [])
      assert.isFalse(existsSync(join(library.root, "mine.mp4")))
      assert.isTrue(existsSync(join(library.root, "swapped.mp4")))
      assert.isTrue(existsSync(join(library.root, "nobody-asked.mp4")))

      yield* scan({ acceptMissing: true })
      assert.deepStrictEqual(yield* keys, ["swapped.mp4"])
    })
  )

  it.effect("stay what they are when the item is restored in time", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const library = yield* Library
      library.put("restored.mp4")
      yield* scan()
      const { id } = yield* trash("restored.mp4", 31, { source: true })
      yield* sql`UPDATE media_items SET deleted_at = NULL, delete_source = false WHERE id = ${id}`
      yield* purge
      assert.isTrue(existsSync(join(library.root, "restored.mp4")))
      assert.include(yield* keys, "restored.mp4")
    })
  )
})

layer(world(refusal))("an object that can't be deleted", (it) => {
  it.effect("leaves its item in the trash, and what was made of it in its place", () =>
    Effect.gen(function* () {
      const library = yield* Library
      library.put("stubborn.mp4")
      library.put("other.mp4")
      yield* scan()
      const { picture } = yield* trash("stubborn.mp4", 31, { source: true })
      yield* trash("other.mp4", 31)
      yield* purge
      assert.deepStrictEqual(yield* keys, ["stubborn.mp4"])
      assert.isTrue(yield* isThere(picture))
    })
  )
})

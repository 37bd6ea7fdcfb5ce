import { assert, layer } from "@effect/vitest"
import { PlayableItems } from "@joy/catalog/PlayableItems"
import { CredentialHolders } from "@joy/domain/CredentialHolders"
import { CurrentPrincipal, type Principal } from "@joy/domain/CurrentPrincipal"
import { type MediaItemId, SessionId, UserId } from "@joy/domain/Ids"
import { Signer } from "@joy/domain/Signer"
import { ETag } from "@joy/domain/StoredObject"
import { Grants } from "@joy/playback/Grants"
import { PlaybackConfig } from "@joy/playback/PlaybackConfig"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as SqlClient from "effect/sql/SqlClient"
import * as TestClock from "effect/testing/TestClock"

import { addItem, addUser } from "../../catalog/test/TestCatalog.ts"

/** Who holds sessions, as auth would say. */
const holders = new Map<SessionId, Principal>()

const services = Grants.layer.pipe(
  Layer.provideMerge(PlayableItems.layer),
  Layer.provide([
    PlaybackConfig.layer({ grantTtl: Duration.minutes(12), redirect: false, accelPrefix: null }),
    Layer.succeed(Signer, {
      sign: (purpose, text) => `${purpose}-${text.slice(-22)}`.slice(-22),
      verify: (purpose, text, signature) => signature === `${purpose}-${text.slice(-22)}`.slice(-22)
    }),
    Layer.succeed(CredentialHolders, {
      principalOf: (credential) =>
        Effect.sync(() => (credential.kind === "session" ? (holders.get(credential.sessionId) ?? null) : null))
    })
  ]),
  Layer.provideMerge(TestDatabase.layer)
)

const signIn = (userId: UserId): Principal & { readonly sessionId: SessionId } => {
  const sessionId = SessionId.make(SecureRandom.uuidV7Unsafe())
  const principal: Principal = {
    userId,
    credential: { kind: "session", sessionId },
    permissions: new Set(["media:read"] as const)
  }
  holders.set(sessionId, principal)
  return { ...principal, sessionId }
}

const issue = Effect.fnUntraced(function* (id: MediaItemId, principal: Principal) {
  const grants = yield* Grants
  return yield* grants.issue({ id, etag: ETag.make("tag") }).pipe(Effect.provideService(CurrentPrincipal, principal))
})

layer(services)("a grant", (it) => {
  it.effect("is the same for who asks again within a twelfth of its life, and ends with it [G2]", () =>
    Effect.gen(function* () {
      const grants = yield* Grants
      const viewer = signIn(UserId.make(SecureRandom.uuidV7Unsafe()))
      const film = yield* addItem({ title: "film" })
      const first = yield* issue(film, viewer)
      assert.strictEqual(String(first.expiresAt), "1970-01-01T00:12:00.000Z")
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* issue(film, viewer), first)
      yield* TestClock.adjust("1 second")
      assert.notStrictEqual((yield* issue(film, viewer)).grant, first.grant)

      assert.strictEqual((yield* grants.open(first.grant)).secondsLeft, 11 * 60)
      yield* TestClock.adjust(Duration.subtract(Duration.minutes(11), Duration.seconds(1)))
      assert.strictEqual((yield* grants.open(first.grant)).content.id, film)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Effect.flip(grants.open(first.grant)))._tag, "InvalidGrant")
    })
  )

  it.effect("opens nothing that its holder may not see by now, and says what became of the rest [G3]", () =>
    Effect.gen(function* () {
      const grants = yield* Grants
      const sql = yield* SqlClient.SqlClient
      const other = yield* addUser("grant-owner")
      const viewer = signIn(UserId.make(SecureRandom.uuidV7Unsafe()))
      const opened = Effect.fnUntraced(function* (change: (id: MediaItemId) => Effect.Effect<unknown, unknown>) {
        const film = yield* addItem({ title: "film" })
        const { grant } = yield* issue(film, viewer)
        yield* grants.open(grant)
        yield* Effect.orDie(change(film))
        return (yield* Effect.flip(grants.open(grant)))._tag
      })
      assert.strictEqual(
        yield* opened((id) => sql`UPDATE media_items SET user_id = ${other}, visibility = 'private' WHERE id = ${id}`),
        "MediaItemNotFound"
      )
      assert.strictEqual(
        yield* opened((id) => sql`UPDATE media_items SET deleted_at = now() WHERE id = ${id}`),
        "MediaItemNotFound"
      )
      assert.strictEqual(yield* opened((id) => sql`DELETE FROM media_items WHERE id = ${id}`), "MediaItemNotFound")
      assert.strictEqual(
        yield* opened((id) => sql`UPDATE media_items SET etag = 'other' WHERE id = ${id}`),
        "ContentChanged"
      )
      assert.strictEqual(
        yield* opened(
          (id) => sql`UPDATE media_items SET status = 'missing', status_before_missing = 'ready' WHERE id = ${id}`
        ),
        "ContentUnavailable"
      )
      assert.strictEqual(
        yield* opened(() => Effect.sync(() => holders.set(viewer.sessionId, { ...viewer, permissions: new Set() }))),
        "InvalidGrant"
      )
      holders.set(viewer.sessionId, viewer)
      assert.strictEqual(yield* opened(() => Effect.sync(() => holders.delete(viewer.sessionId))), "InvalidGrant")
    })
  )

  it.effect("tells what is being sent within five seconds that it has ended [G2]", () =>
    Effect.gen(function* () {
      const grants = yield* Grants
      const viewer = signIn(UserId.make(SecureRandom.uuidV7Unsafe()))
      const film = yield* addItem({ title: "film" })
      const { grant } = yield* issue(film, viewer)
      const { ended } = yield* grants.open(grant)
      const fiber = yield* Effect.forkChild(Effect.flip(ended))
      holders.delete(viewer.sessionId)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* Fiber.join(fiber))._tag, "InvalidGrant")
    })
  )

  it.effect("leads to a row as the contract of the catalogue has it", () =>
    Effect.gen(function* () {
      const grants = yield* Grants
      const viewer = signIn(UserId.make(SecureRandom.uuidV7Unsafe()))
      const film = yield* addItem({ title: "film" })
      const { content } = yield* grants.open((yield* issue(film, viewer)).grant)
      assert.deepStrictEqual<unknown>(content, {
        id: film,
        key: `${film}.mp4`,
        etag: "tag",
        // More than an integer of the database's holds, and a number all the same.
        sizeBytes: 5_000_000_000,
        type: "video",
        mimeType: "video/mp4",
        status: "ready",
        storyboardSheets: null,
        subtitles: [],
        rendition: null
      })
    })
  )
})

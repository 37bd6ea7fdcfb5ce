import { Events } from "@joy/domain/Events"
import { MediaItemId } from "@joy/domain/Ids"
import { Email, Username } from "@joy/domain/User"
import * as EventLog from "@joy/server/EventLog"
import type * as JoyUp from "@joy/testing/JoyUp"
import * as OwnPostgres from "@joy/testing/OwnPostgres"
import * as Replicas from "@joy/testing/Replicas"
import { TestDatabase } from "@joy/testing/TestDatabase"
import * as Context from "effect/Context"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

/** Two servers on a Postgres of their own, with accounts, an item of everybody and one of the owner alone. */
export class EventWorld extends Context.Service<
  EventWorld,
  {
    readonly replicas: Replicas.Replicas["Service"]
    readonly admin: JoyUp.SignedIn
    readonly owner: JoyUp.SignedIn
    readonly viewer: JoyUp.SignedIn
    readonly sharedId: MediaItemId
    readonly privateId: MediaItemId
    /** Appends in a transaction of its own. */
    readonly tell: (...mediaIds: ReadonlyArray<MediaItemId>) => Effect.Effect<void>
  }
>()("@joy/server/test/EventWorld") {
  static readonly layer = Layer.effect(
    EventWorld,
    Effect.gen(function* () {
      const { url } = yield* TestDatabase
      const replicas = yield* Replicas.make(url)
      const sql = yield* SqlClient.SqlClient
      const events = yield* Events
      const admin = yield* replicas.one.signIn("admin", Replicas.password)
      const account = Effect.fnUntraced(function* (name: string) {
        yield* admin.client.users.create({
          payload: {
            username: Username.make(name),
            email: Email.make(`${name}@example.org`),
            password: Redacted.make(Replicas.password)
          }
        })
        return yield* replicas.one.signIn(name, Replicas.password)
      }, Effect.orDie)
      const owner = yield* account("owner")
      const viewer = yield* account("viewer")
      const item = Effect.fnUntraced(function* (ownerId: string | null) {
        const id = MediaItemId.make(SecureRandom.uuidV7Unsafe())
        yield* sql`
          INSERT INTO media_items (id, type, title, status, user_id, visibility, s3_key, etag, size_bytes)
          VALUES (${id}, 'video', 'A film', 'ready', ${ownerId}::uuid, ${ownerId === null ? "shared" : "private"},
            ${`${id}.mp4`}, 'etag', 1)`
        return id
      }, Effect.orDie)
      return {
        replicas,
        admin,
        owner,
        viewer,
        sharedId: yield* item(null),
        privateId: yield* item(owner.userId),
        tell: (...mediaIds) => events.appendAll(mediaIds.map((mediaId) => ({ name: "media.updated", mediaId })))
      }
    })
  ).pipe(Layer.provideMerge(EventLog.layer), Layer.provideMerge(OwnPostgres.OwnPostgres.layer))
}

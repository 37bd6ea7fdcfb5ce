import type { MediaItemId, UserId } from "@joy/domain/Ids"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as SqlClient from "effect/sql/SqlClient"

interface Position {
  readonly userId: UserId
  readonly itemId: MediaItemId
  readonly positionSeconds: number
  readonly finished: boolean
}

/** Waits for its turn, with who waits for it. */
interface Waiting {
  readonly position: Position
  readonly written: Deferred.Deferred<void>
}

const mostAtOnce = 1000

/**
 * Writes where players are. One statement is under way at a time, and takes all that came meanwhile: of many players
 * each position costs a fraction of a statement and of a commit, and of one that says it twice the last one is written.
 */
export const make: Effect.Effect<
  (position: Position) => Effect.Effect<void>,
  never,
  SqlClient.SqlClient | Scope.Scope
> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const queue = yield* Queue.unbounded<Waiting>()

  const writeAll = Effect.fnUntraced(function* (batch: ReadonlyArray<Waiting>) {
    const latest = new Map(batch.map(({ position }) => [`${position.userId} ${position.itemId}`, position]))
    const positions = [...latest.values()]
    // Users and items that went meanwhile are left out. In one order, so that two processes never wait for each other;
    // of two at once the one that began later stands.
    yield* sql`
      INSERT INTO media_progress (user_id, item_id, position_seconds, finished)
      SELECT said.user_id, said.item_id, said.position_seconds, said.finished
      FROM unnest(
        ${positions.map(({ userId }) => userId)}::uuid[],
        ${positions.map(({ itemId }) => itemId)}::uuid[],
        ${positions.map(({ positionSeconds }) => String(positionSeconds))}::text[]::float8[],
        ${positions.map(({ finished }) => finished)}::boolean[]
      ) AS said (user_id, item_id, position_seconds, finished)
      JOIN users ON users.id = said.user_id JOIN media_items ON media_items.id = said.item_id
      ORDER BY said.user_id, said.item_id
      ON CONFLICT (user_id, item_id) DO UPDATE SET position_seconds = excluded.position_seconds,
        finished = excluded.finished, updated_at = excluded.updated_at
      WHERE media_progress.updated_at <= excluded.updated_at`
  }, Effect.orDie)

  yield* Queue.takeBetween(queue, 1, mostAtOnce).pipe(
    Effect.flatMap((batch) =>
      Effect.flatMap(Effect.exit(writeAll(batch)), (exit) =>
        Effect.forEach(batch, ({ written }) => Deferred.done(written, exit), { discard: true })
      )
    ),
    Effect.forever,
    Effect.forkScoped
  )

  return (position) =>
    Effect.suspend(() => {
      const written = Deferred.makeUnsafe<void>()
      Queue.offerUnsafe(queue, { position, written })
      return Deferred.await(written)
    })
})

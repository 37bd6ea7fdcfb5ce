import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"

export interface ByteCache<K, A, E> {
  /** What is kept, or what loading gives. Who asks for what is being loaded waits for it; it goes on when they leave. */
  readonly get: (key: K) => Effect.Effect<A, E>
  /** Bytes that are kept at the moment. */
  readonly bytes: () => number
}

interface Entry<A, E> {
  readonly loaded: Deferred.Deferred<A, E>
  /** 0 while it is being loaded. */
  bytes: number
}

/** Keeps what was used last, up to so many bytes. What fails to load is not kept. */
export const make = Effect.fnUntraced(function* <K, A, E>(options: {
  readonly capacityBytes: number
  readonly idOf: (key: K) => string
  readonly bytesOf: (value: A) => number
  readonly load: (key: K) => Effect.Effect<A, E>
}): Effect.fn.Return<ByteCache<K, A, E>, never, Scope.Scope> {
  const scope = yield* Effect.scope
  const entries = new Map<string, Entry<A, E>>()
  let total = 0

  const evict = () => {
    for (const [id, entry] of entries) {
      if (total <= options.capacityBytes) return
      // One that is being loaded weighs nothing yet.
      if (entry.bytes === 0) continue
      entries.delete(id)
      total -= entry.bytes
    }
  }

  const load = (key: K, id: string, entry: Entry<A, E>) =>
    Effect.onExit(options.load(key), (exit) => {
      if (Exit.isSuccess(exit)) {
        entry.bytes = Math.max(1, options.bytesOf(exit.value))
        total += entry.bytes
        evict()
      } else entries.delete(id)
      return Deferred.done(entry.loaded, exit)
    })

  const get = (key: K) =>
    Effect.suspend(() => {
      const id = options.idOf(key)
      const known = entries.get(id)
      if (known !== undefined) {
        // Used again: moves to the end of the map, whose beginning is dropped first.
        entries.delete(id)
        entries.set(id, known)
        return Deferred.await(known.loaded)
      }
      const entry: Entry<A, E> = { loaded: Deferred.makeUnsafe(), bytes: 0 }
      entries.set(id, entry)
      return Effect.andThen(Effect.forkIn(load(key, id, entry), scope), Deferred.await(entry.loaded))
    })

  return { get, bytes: () => total }
})

import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"

import { ServiceUnavailable } from "@joy/domain/Problem"
import * as argon2 from "@node-rs/argon2"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"

import * as HashingThreads from "./HashingThreads.ts"
import { normalize } from "./PasswordPolicy.ts"

/** argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet; ASVS 5.0, appendix C). */
const cost = {
  memoryCost: 19_456,
  timeCost: 2,
  parallelism: 1,
  /** `Algorithm.Argon2id`: the enum of the package is `const`, which isolated modules can't read. */
  algorithm: 2
}

/**
 * A hash wants a processor for itself, and so do the event loop and the database, which a sign-in needs too: with as
 * many hashes as processors, readers wait behind them and not even more people get in.
 */
export const hashesAtATime = Math.max(1, availableParallelism() - 1)

const text = (password: Redacted.Redacted) => normalize(Redacted.value(password))
const isHash = (hash: string) => /^\$argon2(id|i|d)\$/.test(hash)

export interface PasswordHasherOptions {
  /** How many hashes are made at a time; `hashesAtATime` when absent. */
  readonly concurrency?: number | undefined
  /** How many may wait for their turn, 128 when absent: on one processor about four seconds. */
  readonly queue?: number | undefined
}

export class PasswordHasher extends Context.Service<
  PasswordHasher,
  {
    /** A hash in the PHC format with a salt of its own. */
    readonly hash: (password: Redacted.Redacted) => Effect.Effect<string, ServiceUnavailable>
    /** Whether the password is the one that was hashed. A hash that nobody can read matches nothing. */
    readonly verify: (password: Redacted.Redacted, hash: string) => Effect.Effect<boolean, ServiceUnavailable>
    /** Costs what `verify` costs and finds nothing: for accounts that are not there. */
    readonly verifyDummy: (password: Redacted.Redacted) => Effect.Effect<false, ServiceUnavailable>
    /** Whether the hash was made with less work than today's. */
    readonly needsRehash: (hash: string) => boolean
  }
>()("@joy/auth/PasswordHasher") {
  /**
   * Hashing takes a processor and 19 MiB for milliseconds or tens of them, so few hashes run at a time, some wait, and the
   * rest is refused at once.
   */
  static readonly layerWith = (options: PasswordHasherOptions): Layer.Layer<PasswordHasher> =>
    Layer.effect(
      PasswordHasher,
      Effect.gen(function* () {
        const concurrency = options.concurrency ?? hashesAtATime
        const limit = concurrency + (options.queue ?? 128)
        const threads = yield* HashingThreads.make(concurrency)
        // One ahead of each that runs. The others wait here, where who leaves is not hashed for.
        const semaphore = Semaphore.makeUnsafe(2 * concurrency)
        let admitted = 0

        const bounded = <A>(work: Effect.Effect<A>): Effect.Effect<A, ServiceUnavailable> =>
          Effect.suspend(() => {
            if (admitted >= limit) {
              return Effect.fail(
                new ServiceUnavailable({ detail: "Too many are signing in at the moment", retryAfterSeconds: 2 })
              )
            }
            admitted++
            // A hash can't be called back: its place stays taken until it is done, also when nobody waits for it.
            return semaphore.withPermit(Effect.uninterruptible(work)).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  admitted--
                })
              )
            )
          })

        const compare = (password: Redacted.Redacted, hash: string) => bounded(threads.verify(text(password), hash))

        // Made ahead: the first unknown name must not take longer than the others.
        const dummy = yield* Effect.cached(threads.hash(randomBytes(32).toString("base64"), cost))
        yield* Effect.forkScoped(dummy)

        return PasswordHasher.of({
          hash: (password) => bounded(threads.hash(text(password), cost)),
          verify: (password, hash) => (isHash(hash) ? compare(password, hash) : Effect.succeed(false)),
          verifyDummy: (password) =>
            Effect.flatMap(dummy, (hash) => compare(password, hash)).pipe(Effect.as<false>(false)),
          needsRehash: (hash) => {
            const made = argon2.parseOptions(hash)
            return (
              made.algorithm !== cost.algorithm ||
              made.memoryCost < cost.memoryCost ||
              made.timeCost < cost.timeCost ||
              made.parallelism < cost.parallelism
            )
          }
        })
      })
    )

  static readonly layer = PasswordHasher.layerWith({})
}

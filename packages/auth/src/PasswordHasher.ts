import { randomBytes } from "node:crypto"
import { availableParallelism } from "node:os"

import { ServiceUnavailable } from "@joy/domain/Problem"
import * as argon2 from "@node-rs/argon2"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"

import { normalize } from "./PasswordPolicy.ts"

/** argon2id with 19 MiB, two passes, one lane (OWASP Password Storage Cheat Sheet; ASVS 5.0, appendix C). */
const cost = { memoryCost: 19_456, timeCost: 2, parallelism: 1 }
/** `Algorithm.Argon2id`: the enum of the package is `const`, which isolated modules can't read. */
const argon2id = 2

const text = (password: Redacted.Redacted) => normalize(Redacted.value(password))
const makeHash = (password: string) => argon2.hash(password, { ...cost, algorithm: argon2id })
const isHash = (hash: string) => /^\$argon2(id|i|d)\$/.test(hash)

export interface PasswordHasherOptions {
  /** How many hashes are made at a time; all processors but one when absent. */
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
   * Hashing takes a processor and 19 MiB for tens of milliseconds on a thread that files and names are read on too
   * (libuv's pool), so few hashes run at a time, some wait, and the rest is refused at once.
   */
  static readonly layerWith = (options: PasswordHasherOptions): Layer.Layer<PasswordHasher> =>
    Layer.effect(
      PasswordHasher,
      Effect.gen(function* () {
        const concurrency = options.concurrency ?? Math.max(1, availableParallelism() - 1)
        const limit = concurrency + (options.queue ?? 128)
        const semaphore = Semaphore.makeUnsafe(concurrency)
        let admitted = 0

        const bounded = <A>(work: () => Promise<A>): Effect.Effect<A, ServiceUnavailable> =>
          Effect.suspend(() => {
            if (admitted >= limit) {
              return Effect.fail(
                new ServiceUnavailable({ detail: "Too many are signing in at the moment", retryAfterSeconds: 2 })
              )
            }
            admitted++
            // A hash can't be called back: its place stays taken until it is done, also when nobody waits for it.
            return semaphore.withPermit(Effect.uninterruptible(Effect.promise(work))).pipe(
              Effect.ensuring(
                Effect.sync(() => {
                  admitted--
                })
              )
            )
          })

        const compare = (password: Redacted.Redacted, hash: string) =>
          bounded(() => argon2.verify(hash, text(password)).catch(() => false))

        // Made ahead: the first unknown name must not take longer than the others.
        const dummy = yield* Effect.cached(Effect.promise(() => makeHash(randomBytes(32).toString("base64"))))
        yield* Effect.forkScoped(dummy)

        return PasswordHasher.of({
          hash: (password) => bounded(() => makeHash(text(password))),
          verify: (password, hash) => (isHash(hash) ? compare(password, hash) : Effect.succeed(false)),
          verifyDummy: (password) =>
            Effect.flatMap(dummy, (hash) => compare(password, hash)).pipe(Effect.as<false>(false)),
          needsRehash: (hash) => {
            const made = argon2.parseOptions(hash)
            return (
              made.algorithm !== argon2id ||
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

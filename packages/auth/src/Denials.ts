import { type Principal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RateLimiter from "effect/persistence/RateLimiter"

import { AuditLog } from "./AuditLog.ts"
import { networkOf } from "./ClientNetwork.ts"
import * as LocalLimits from "./LocalLimits.ts"

/** Somebody who may not do what they asked for. */
export interface Denial {
  readonly action: "access.denied" | "api-key.refused"
  /** `null` for nobody that is known. */
  readonly principal: Principal | null
  readonly facts: RequestFacts
  readonly detail: Readonly<Record<string, string>>
}

/**
 * How much is written down of one user or one network, and of all networks together, by one process. The first few say
 * what there is to say; a flood must not fill the log, nor push out what matters.
 */
const each = { limit: 30, window: "1 hour" } as const
const allNetworks = { limit: 300, window: "1 hour" } as const

/** Writes down who was refused. */
export class Denials extends Context.Service<
  Denials,
  {
    /** The last entry before others are left out says so: `othersLeftOut`. */
    readonly note: (denial: Denial) => Effect.Effect<void>
  }
>()("@joy/auth/Denials") {
  static readonly layer: Layer.Layer<Denials, never, AuditLog> = Layer.effect(
    Denials,
    Effect.gen(function* () {
      const audit = yield* AuditLog
      const limiter = yield* RateLimiter.RateLimiter

      /** How many more will be written; nothing when this one is not. */
      const left = (key: string, rule: { readonly limit: number; readonly window: "1 hour" }) =>
        limiter.consume({ key, ...rule }).pipe(
          Effect.map(({ remaining }): number | undefined => remaining),
          Effect.catchReason("RateLimiterError", "RateLimitExceeded", () => Effect.succeed(undefined)),
          Effect.orDie
        )

      const note = Effect.fn("Denials.note")(function* ({ action, detail, facts, principal }: Denial) {
        const remaining = yield* left(`${action} ${principal?.userId ?? networkOf(facts.ip)}`, each)
        if (remaining === undefined) return
        if (principal === null && (yield* left(action, allNetworks)) === undefined) return
        const { credential } = principal ?? {}
        yield* audit.append({
          action,
          actorId: principal?.userId,
          sessionId: principal === null ? null : sessionIdOf(principal),
          facts,
          detail: {
            ...detail,
            ...(credential?.kind === "apiKey" ? { apiKeyId: credential.apiKeyId } : {}),
            ...(remaining === 0 ? { othersLeftOut: true } : {})
          }
        })
      })

      return Denials.of({ note })
    })
  ).pipe(Layer.provide(Layer.fresh(RateLimiter.layer.pipe(Layer.provide(Layer.fresh(LocalLimits.layer))))))
}

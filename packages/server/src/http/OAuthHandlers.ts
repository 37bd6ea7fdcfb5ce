import { LinkedIdentities } from "@joy/auth/LinkedIdentities"
import { OAuthAccounts } from "@joy/auth/OAuthAccounts"
import { OAuthFlows } from "@joy/auth/OAuthFlows"
import type { ProvenIdentity } from "@joy/auth/ProvenIdentity"
import { RateLimits } from "@joy/auth/RateLimits"
import { Api } from "@joy/domain/Api"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"

import { ClientAddress } from "./ClientAddress.ts"
import { RefreshCookie } from "./RefreshCookie.ts"
import * as TokensAnswer from "./TokensAnswer.ts"

export const OAuthHandlers = HttpApiBuilder.group(
  Api,
  "oauth",
  Effect.fn(function* (handlers) {
    const accounts = yield* OAuthAccounts
    const flows = yield* OAuthFlows
    const identities = yield* LinkedIdentities
    const limits = yield* RateLimits
    const cookie = yield* RefreshCookie
    const address = yield* ClientAddress
    const answer = yield* TokensAnswer.make

    const signIn = Effect.fnUntraced(function* (proven: ProvenIdentity, facts: RequestFacts) {
      const { session, user } = yield* accounts.signIn(proven, facts)
      return yield* answer(user, session, yield* cookie.isAskedFor)
    })

    return handlers.handleAll({
      authorize: Effect.fnUntraced(function* ({ payload }) {
        yield* limits.oauth(yield* address.of)
        return yield* flows.begin(payload)
      }),
      callback: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        yield* limits.oauth(facts)
        if ("provider" in payload) return yield* signIn(yield* flows.finish(payload, facts), facts)
        const location = yield* flows.receive(payload, facts)
        return HttpApiSchema.withHeaders({ body: undefined, headers: { location } })
      }),
      exchange: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        yield* limits.oauth(facts)
        return yield* signIn(yield* flows.collect(payload, facts), facts)
      }),
      link: ({ payload }) => Effect.flatMap(address.of, (facts) => identities.link(payload, facts))
    })
  })
)

import { LinkedIdentities } from "@joy/auth/LinkedIdentities"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const LinkedIdentityHandlers = HttpApiBuilder.group(
  Api,
  "linkedIdentities",
  Effect.fn(function* (handlers) {
    const identities = yield* LinkedIdentities
    const address = yield* ClientAddress

    return handlers.handleAll({
      list: ({ query }) => identities.list(query),
      remove: ({ params }) => Effect.flatMap(address.of, (facts) => identities.remove(params.id, facts))
    })
  })
)

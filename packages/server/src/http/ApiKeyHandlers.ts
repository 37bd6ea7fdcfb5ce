import { ApiKeys } from "@joy/auth/ApiKeys"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const ApiKeyHandlers = HttpApiBuilder.group(
  Api,
  "apiKeys",
  Effect.fn(function* (handlers) {
    const keys = yield* ApiKeys
    const address = yield* ClientAddress

    return handlers.handleAll({
      list: ({ query }) => keys.list(query),
      create: ({ payload }) => Effect.flatMap(address.of, (facts) => keys.create(payload, facts)),
      revoke: ({ params }) => Effect.flatMap(address.of, (facts) => keys.revoke(params.id, facts))
    })
  })
)

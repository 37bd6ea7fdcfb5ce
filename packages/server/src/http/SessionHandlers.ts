import { Sessions } from "@joy/auth/Sessions"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const SessionHandlers = HttpApiBuilder.group(
  Api,
  "sessions",
  Effect.fn(function* (handlers) {
    const sessions = yield* Sessions
    const address = yield* ClientAddress

    return handlers.handleAll({
      list: ({ query }) => sessions.list(query),
      endAll: ({ query }) =>
        Effect.flatMap(address.of, (facts) =>
          query.userId === "all" ? sessions.endEverybody(facts) : sessions.endOf(query.userId, facts)
        ),
      end: ({ params }) => Effect.flatMap(address.of, (facts) => sessions.endById(params.id, facts))
    })
  })
)

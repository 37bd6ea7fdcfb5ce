import { Tags } from "@joy/catalog/Tags"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const TagHandlers = HttpApiBuilder.group(
  Api,
  "tags",
  Effect.fn(function* (handlers) {
    const tags = yield* Tags
    const address = yield* ClientAddress

    return handlers.handleAll({
      list: ({ query }) => tags.list(query),
      rename: ({ params, payload }) =>
        Effect.flatMap(address.of, (facts) => tags.rename(params.tag, payload.name, facts))
    })
  })
)

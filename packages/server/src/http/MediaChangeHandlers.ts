import { Favourites } from "@joy/catalog/Favourites"
import { MediaChanges } from "@joy/catalog/MediaChanges"
import { MediaItems } from "@joy/catalog/MediaItems"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const MediaChangeHandlers = HttpApiBuilder.group(
  Api,
  "mediaChanges",
  Effect.fn(function* (handlers) {
    const changes = yield* MediaChanges
    const favourites = yield* Favourites
    const items = yield* MediaItems
    const address = yield* ClientAddress

    return handlers.handleAll({
      trash: ({ query }) => items.trash(query),
      bulk: ({ payload }) => Effect.flatMap(address.of, (facts) => changes.bulk(payload, facts)),
      edit: ({ headers, params, payload }) =>
        Effect.flatMap(address.of, (facts) =>
          changes.edit(params.id, payload, { ifMatch: headers["if-match"], facts })
        ),
      remove: ({ params, query }) => Effect.flatMap(address.of, (facts) => changes.trash(params.id, query, facts)),
      restore: ({ params }) => Effect.flatMap(address.of, (facts) => changes.restore(params.id, facts)),
      favour: ({ params }) => favourites.add(params.id),
      unfavour: ({ params }) => favourites.remove(params.id)
    })
  })
)

import { WatchProgress } from "@joy/catalog/WatchProgress"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

export const ProgressHandlers = HttpApiBuilder.group(
  Api,
  "progress",
  Effect.fn(function* (handlers) {
    const progress = yield* WatchProgress

    return handlers.handleAll({
      put: ({ params, payload }) => progress.put(params.id, payload),
      continueWatching: ({ query }) => progress.continueWatching(query)
    })
  })
)

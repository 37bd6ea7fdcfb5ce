import { Api } from "@joy/domain/Api"
import { StoreNews } from "@joy/ingest/StoreNews"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

export const IngestHandlers = HttpApiBuilder.group(
  Api,
  "ingest",
  Effect.fn(function* (handlers) {
    const news = yield* StoreNews
    return handlers.handleAll({
      events: ({ payload }) => news.receive(payload)
    })
  })
)

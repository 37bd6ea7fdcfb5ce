import * as Effect from "effect/Effect"
import * as HttpApiClient from "effect/http-api/HttpApiClient"
import * as HttpApiMiddleware from "effect/http-api/HttpApiMiddleware"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { Api } from "./Api.ts"
import { Authorization } from "./Authorization.ts"
import { EventsAuthorization } from "./EventsAuthorization.ts"
import { LogoutAuthorization } from "./LogoutAuthorization.ts"
import { ThumbnailAuthorization } from "./ThumbnailAuthorization.ts"

export type ApiClient = HttpApiClient.ForApi<typeof Api>

/** The typed client of a server at `baseUrl`. Needs an `HttpClient` and `layerBearer`. */
export const make = (options: { readonly baseUrl: string }) =>
  HttpApiClient.make(Api, {
    transformClient: HttpClient.mapRequest(HttpClientRequest.prependUrl(options.baseUrl))
  })

/** Signs requests with the access token that `token` gives at that moment; an empty one sends no header. */
export const layerBearer = (token: Effect.Effect<Redacted.Redacted>) => {
  const sign: HttpApiMiddleware.HttpApiMiddlewareClient<never, never, never> = ({ next, request }) =>
    Effect.flatMap(token, (value) =>
      next(Redacted.value(value) === "" ? request : HttpClientRequest.bearerToken(request, value))
    )
  return Layer.mergeAll(
    HttpApiMiddleware.layerClient(Authorization, sign),
    HttpApiMiddleware.layerClient(EventsAuthorization, sign),
    HttpApiMiddleware.layerClient(LogoutAuthorization, sign),
    HttpApiMiddleware.layerClient(ThumbnailAuthorization, sign)
  )
}

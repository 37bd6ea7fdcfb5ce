import { AccessTokens } from "@joy/auth/AccessTokens"
import { Principals } from "@joy/auth/Principals"
import { Authorization } from "@joy/domain/Authorization"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { Unauthenticated } from "@joy/domain/Problem"
import { ThumbnailAuthorization, ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** The principal of an access token. An absent credential is an empty one. */
const principalOf = Effect.gen(function* () {
  const tokens = yield* AccessTokens
  const principals = yield* Principals
  return (credential: Redacted.Redacted) =>
    Redacted.value(credential) === ""
      ? Effect.fail(new Unauthenticated({}))
      : Effect.flatMap(tokens.verify(Redacted.value(credential)), principals.principalOf)
})

export const authorization = Layer.effect(
  Authorization,
  Effect.map(principalOf, (find) =>
    Authorization.of({
      bearer: (handled, { credential }) =>
        Effect.flatMap(find(credential), (principal) => Effect.provideService(handled, CurrentPrincipal, principal))
    })
  )
)

const expiry = Effect.map(HttpServerRequest.HttpServerRequest, (request) =>
  Number(new URLSearchParams(request.url.split("?")[1]).get("exp") ?? 0)
)

export const thumbnailAuthorization = Layer.effect(
  ThumbnailAuthorization,
  Effect.map(principalOf, (find) =>
    ThumbnailAuthorization.of({
      bearer: (handled, { credential }) =>
        Effect.flatMap(find(credential), (principal) =>
          Effect.provideService(handled, ThumbnailViewer, { _tag: "Principal", principal })
        ),
      signature: (handled, { credential }) =>
        Redacted.value(credential) === ""
          ? Effect.fail(new Unauthenticated({}))
          : Effect.flatMap(expiry, (exp) =>
              Effect.provideService(handled, ThumbnailViewer, {
                _tag: "Signature",
                exp,
                sig: Redacted.value(credential)
              })
            )
    })
  )
)

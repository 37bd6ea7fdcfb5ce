import { AccessTokens } from "@joy/auth/AccessTokens"
import { ApiKeyPrincipals } from "@joy/auth/ApiKeyPrincipals"
import * as ApiKeySecret from "@joy/auth/ApiKeySecret"
import { EventTickets } from "@joy/auth/EventTickets"
import { Principals } from "@joy/auth/Principals"
import { Authorization } from "@joy/domain/Authorization"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { EventsAuthorization } from "@joy/domain/EventsAuthorization"
import { Leaving, LogoutAuthorization } from "@joy/domain/LogoutAuthorization"
import { Unauthenticated } from "@joy/domain/Problem"
import { ThumbnailAuthorization, ThumbnailViewer } from "@joy/domain/ThumbnailAuthorization"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { ClientAddress } from "./ClientAddress.ts"
import { RefreshCookie } from "./RefreshCookie.ts"

/** The principal of an access token or an API key. An absent credential is an empty one. */
export const principalOf = Effect.gen(function* () {
  const tokens = yield* AccessTokens
  const principals = yield* Principals
  const apiKeys = yield* ApiKeyPrincipals
  const address = yield* ClientAddress
  return (credential: Redacted.Redacted) => {
    const text = Redacted.value(credential)
    if (text === "") return Effect.fail(new Unauthenticated({}))
    return ApiKeySecret.isApiKey(text)
      ? Effect.flatMap(address.of, (facts) => apiKeys.principalOf(text, facts))
      : Effect.flatMap(tokens.verify(text), principals.principalOf)
  }
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

export const eventsAuthorization = Layer.effect(
  EventsAuthorization,
  Effect.gen(function* () {
    const find = yield* principalOf
    const tickets = yield* EventTickets
    return EventsAuthorization.of({
      bearer: (handled, { credential }) =>
        Effect.flatMap(find(credential), (principal) => Effect.provideService(handled, CurrentPrincipal, principal)),
      ticket: (handled, { credential }) =>
        Effect.flatMap(tickets.redeem(credential), (principal) =>
          Effect.provideService(handled, CurrentPrincipal, principal)
        )
    })
  })
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

/** A bearer that does not hold is no reason to keep a browser signed in: its cookie is asked next. */
export const logoutAuthorization = Layer.effect(
  LogoutAuthorization,
  Effect.gen(function* () {
    const find = yield* principalOf
    const cookie = yield* RefreshCookie
    return LogoutAuthorization.of({
      bearer: (handled, { credential }) =>
        Effect.flatMap(find(credential), (principal) =>
          Effect.provideService(handled, Leaving, { _tag: "Principal", principal })
        ),
      // Read by the name that it has here.
      cookie: Effect.fnUntraced(function* (handled) {
        const refreshToken = yield* cookie.read
        if (refreshToken === undefined) return yield* new Unauthenticated({})
        return yield* Effect.provideService(handled, Leaving, { _tag: "Cookie", refreshToken })
      })
    })
  })
)

import { Keys } from "@joy/auth/Keys"
import { Api } from "@joy/domain/Api"
import { CurrentPrincipal, sessionIdOf } from "@joy/domain/CurrentPrincipal"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

export const IdentityHandlers = HttpApiBuilder.group(
  Api,
  "identity",
  Effect.fn(function* (handlers) {
    const keys = yield* Keys

    return handlers.handleAll({
      protected: () =>
        Effect.map(CurrentPrincipal, (principal) => ({
          userId: principal.userId,
          sessionId: sessionIdOf(principal),
          permissions: [...principal.permissions]
        })),
      jwks: () => keys.jwks
    })
  })
)

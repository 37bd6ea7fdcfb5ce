import { Keys } from "@joy/auth/Keys"
import { Api } from "@joy/domain/Api"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

export const IdentityHandlers = HttpApiBuilder.group(
  Api,
  "identity",
  Effect.fn(function* (handlers) {
    const keys = yield* Keys

    return handlers.handleAll({
      protected: () =>
        Effect.map(CurrentPrincipal, ({ permissions, sessionId, userId }) => ({
          userId,
          sessionId,
          permissions: [...permissions]
        })),
      jwks: () => keys.jwks
    })
  })
)

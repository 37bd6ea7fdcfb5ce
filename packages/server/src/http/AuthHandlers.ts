import { AccessTokens } from "@joy/auth/AccessTokens"
import { AccountChanges } from "@joy/auth/AccountChanges"
import { Accounts } from "@joy/auth/Accounts"
import type { OpenSession } from "@joy/auth/OpenSession"
import { RateLimits } from "@joy/auth/RateLimits"
import { Sessions } from "@joy/auth/Sessions"
import { Api } from "@joy/domain/Api"
import * as Policy from "@joy/domain/Policy"
import { ServiceUnavailable } from "@joy/domain/Problem"
import { InvalidRefreshToken } from "@joy/domain/Session"
import type { User } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const AuthHandlers = HttpApiBuilder.group(
  Api,
  "auth",
  Effect.fn(function* (handlers) {
    const accounts = yield* Accounts
    const changes = yield* AccountChanges
    const sessions = yield* Sessions
    const tokens = yield* AccessTokens
    const limits = yield* RateLimits
    const address = yield* ClientAddress

    const answer = Effect.fnUntraced(function* (user: User, session: OpenSession) {
      const { accessToken, expiresIn } = yield* tokens.issue(session)
      return {
        user,
        sessionId: session.sessionId,
        accessToken,
        tokenType: "Bearer" as const,
        expiresIn,
        refreshToken: session.refreshToken,
        refreshExpiresAt: session.refreshExpiresAt
      }
    })

    return handlers.handleAll({
      register: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        yield* limits.register(facts)
        const user = yield* accounts.register(payload, facts)
        const session = yield* Effect.catchTag(sessions.open({ userId: user.id, ...facts }), "InvalidCredentials", () =>
          // An administrator disabled the account within the milliseconds since it was made.
          Effect.fail(new ServiceUnavailable({}))
        )
        return yield* answer(user, session)
      }),
      login: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        const { passwordHash, user } = yield* limits.login(
          payload.identifier,
          facts,
          accounts.authenticate(payload, facts)
        )
        return yield* answer(user, yield* sessions.open({ userId: user.id, passwordHash, ...facts }))
      }),
      refresh: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        yield* limits.refresh(payload.refreshToken, facts)
        const session = yield* sessions.rotate(payload.refreshToken, facts)
        // Deleted between the two: the session went with the account.
        const user = yield* Effect.catchTag(accounts.userOf(session.userId), "UserNotFound", () =>
          Effect.fail(new InvalidRefreshToken({}))
        )
        return yield* answer(user, session)
      }),
      logout: Effect.fnUntraced(function* () {
        const { sessionId } = yield* Policy.session
        yield* sessions.end(sessionId, yield* address.of)
      }),
      logoutAll: Effect.fnUntraced(function* () {
        const { userId } = yield* Policy.session
        yield* sessions.endAll(userId, "logout-all", { facts: yield* address.of })
      }),
      changePassword: ({ payload }) => Effect.flatMap(address.of, (facts) => changes.changePassword(payload, facts))
    })
  })
)

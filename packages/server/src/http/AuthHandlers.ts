import { AccountChanges } from "@joy/auth/AccountChanges"
import { Accounts } from "@joy/auth/Accounts"
import { RateLimits } from "@joy/auth/RateLimits"
import { Sessions } from "@joy/auth/Sessions"
import { Api } from "@joy/domain/Api"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { Leaving } from "@joy/domain/LogoutAuthorization"
import * as Policy from "@joy/domain/Policy"
import { InvalidRequest, ServiceUnavailable } from "@joy/domain/Problem"
import { InvalidRefreshToken } from "@joy/domain/Session"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"
import { RefreshCookie } from "./RefreshCookie.ts"
import * as TokensAnswer from "./TokensAnswer.ts"

export const AuthHandlers = HttpApiBuilder.group(
  Api,
  "auth",
  Effect.fn(function* (handlers) {
    const accounts = yield* Accounts
    const changes = yield* AccountChanges
    const sessions = yield* Sessions
    const limits = yield* RateLimits
    const cookie = yield* RefreshCookie
    const address = yield* ClientAddress
    const answer = yield* TokensAnswer.make

    return handlers.handleAll({
      register: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        yield* limits.register(facts)
        const user = yield* accounts.register(payload, facts)
        const session = yield* Effect.catchTag(sessions.open({ userId: user.id, ...facts }), "InvalidCredentials", () =>
          // An administrator disabled the account within the milliseconds since it was made.
          Effect.fail(new ServiceUnavailable({}))
        )
        return yield* answer(user, session, yield* cookie.isAskedFor)
      }),
      login: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        const { passwordHash, user } = yield* accounts.authenticate(payload, facts)
        const session = yield* sessions.open({ userId: user.id, passwordHash, ...facts })
        return yield* answer(user, session, yield* cookie.isAskedFor)
      }),
      refresh: Effect.fnUntraced(function* ({ payload }) {
        const facts = yield* address.of
        const asked = yield* cookie.isAskedFor
        const shown = payload?.refreshToken
        const refreshToken = shown ?? (yield* cookie.read)
        if (refreshToken === undefined) {
          return asked
            ? yield* new InvalidRefreshToken({})
            : yield* new InvalidRequest({ issues: [{ path: "refreshToken", message: "Missing key" }] })
        }
        yield* limits.refresh(refreshToken, facts)
        const session = yield* sessions.rotate(refreshToken, facts)
        // Deleted between the two: the session went with the account.
        const user =
          session.user ??
          (yield* Effect.catchTag(accounts.userOf(session.userId), "UserNotFound", () =>
            Effect.fail(new InvalidRefreshToken({}))
          ))
        // What scripts could not read must not come to them because they leave out a header.
        return yield* answer(user, session, asked || shown === undefined)
      }),
      logout: Effect.fnUntraced(function* () {
        const leaving = yield* Leaving
        const facts = yield* address.of
        if (leaving._tag === "Cookie") {
          yield* cookie.clear
          return yield* sessions.endByToken(leaving.refreshToken, facts)
        }
        const { sessionId } = yield* Effect.provideService(Policy.session, CurrentPrincipal, leaving.principal)
        yield* sessions.end(sessionId, facts)
        const kept = yield* Effect.orElseSucceed(cookie.read, () => undefined)
        if (kept === undefined) return
        // Usually of the same session. Of another one it would live on with nobody to end it.
        yield* cookie.clear
        yield* Effect.catchTag(sessions.endByToken(kept, facts), "InvalidRefreshToken", () => Effect.void)
      }),
      logoutAll: Effect.fnUntraced(function* () {
        const { userId } = yield* Policy.session
        yield* sessions.endAll(userId, "logout-all", { facts: yield* address.of })
      }),
      changePassword: ({ payload }) => Effect.flatMap(address.of, (facts) => changes.changePassword(payload, facts))
    })
  })
)

import { AccessTokens } from "@joy/auth/AccessTokens"
import type { OpenSession } from "@joy/auth/OpenSession"
import type { User } from "@joy/domain/User"
import * as Effect from "effect/Effect"

import { RefreshCookie } from "./RefreshCookie.ts"

/** Makes the answer to who has signed in or refreshed; the refresh token stands in it, or goes by the cookie. */
export const make = Effect.gen(function* () {
  const tokens = yield* AccessTokens
  const cookie = yield* RefreshCookie

  return Effect.fnUntraced(function* (user: User, session: OpenSession, byCookie: boolean) {
    const { accessToken, expiresIn } = yield* tokens.issue(session)
    if (byCookie) yield* cookie.set(session.refreshToken, session.refreshExpiresAt)
    return {
      user,
      sessionId: session.sessionId,
      accessToken,
      tokenType: "Bearer" as const,
      expiresIn,
      ...(byCookie ? {} : { refreshToken: session.refreshToken }),
      refreshExpiresAt: session.refreshExpiresAt
    }
  })
})

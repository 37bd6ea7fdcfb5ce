import { CrossSite } from "@joy/domain/Session"
import type { Timestamp } from "@joy/domain/Timestamp"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { Configuration } from "../config/Configuration.ts"

/** The types that a page of any site may have a browser send without asking (Fetch, CORS-safelisted). */
const formTypes = /^\s*(application\/x-www-form-urlencoded|multipart\/form-data|text\/plain)\b/i

/** The cookie in which browsers keep their refresh token, out of reach of scripts. */
export class RefreshCookie extends Context.Service<
  RefreshCookie,
  {
    /** Whether the client asks for the cookie: `X-Token-Transport: cookie`. */
    readonly isAskedFor: Effect.Effect<boolean, never, HttpServerRequest.HttpServerRequest>
    /** The token in the cookie, if there is one. Fails when a page of another site had it sent, or may have. */
    readonly read: Effect.Effect<Redacted.Redacted | undefined, CrossSite, HttpServerRequest.HttpServerRequest>
    /** Puts a token into the cookie with the answer; the cookie lives as long as the token. */
    readonly set: (
      refreshToken: Redacted.Redacted,
      expiresAt: Timestamp
    ) => Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
    /** Takes the cookie away with the answer, whatever the answer is. */
    readonly clear: Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
  }
>()("@joy/server/RefreshCookie") {
  static readonly layer = Layer.effect(
    RefreshCookie,
    Effect.gen(function* () {
      const { corsOrigins, publicUrl } = yield* Configuration
      const secure = publicUrl.startsWith("https:")
      // The prefix makes browsers refuse one that another host, a parent domain or plain HTTP has set (RFC 6265bis).
      const name = secure ? "__Host-joy-refresh" : "joy-refresh"
      const origins = new Set([new URL(publicUrl).origin, ...corsOrigins])
      const options = { httpOnly: true, path: "/", sameSite: "lax", secure } as const

      // A form can't send JSON: what it does send is taken for another site's where the browser says nothing.
      const isCrossSite = ({ headers }: HttpServerRequest.HttpServerRequest) =>
        headers["sec-fetch-site"] === "cross-site" ||
        (headers["origin"] !== undefined && !origins.has(headers["origin"])) ||
        formTypes.test(headers["content-type"] ?? "")

      const put = (value: string, maxAge: Duration.Duration) =>
        HttpEffect.appendPreResponseHandler((_request, response) =>
          Effect.orDie(HttpServerResponse.setCookie(response, name, value, { ...options, maxAge }))
        )

      return RefreshCookie.of({
        isAskedFor: Effect.map(
          HttpServerRequest.HttpServerRequest,
          ({ headers }) => headers["x-token-transport"]?.trim().toLowerCase() === "cookie"
        ),
        read: Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
          const value = request.cookies[name]
          if (value === undefined || value === "") return Effect.succeed(undefined)
          return isCrossSite(request) ? Effect.fail(new CrossSite({})) : Effect.succeed(Redacted.make(value))
        }),
        set: Effect.fnUntraced(function* (refreshToken: Redacted.Redacted, expiresAt: Timestamp) {
          const left = DateTime.toEpochMillis(DateTime.makeUnsafe(expiresAt)) - (yield* Clock.currentTimeMillis)
          yield* put(Redacted.value(refreshToken), Duration.seconds(Math.max(0, Math.floor(left / 1000))))
        }),
        clear: put("", Duration.zero)
      })
    })
  )
}

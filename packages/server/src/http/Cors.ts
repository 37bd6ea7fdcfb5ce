import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"

import { Configuration } from "../config/Configuration.ts"

const exposedHeaders = [
  "Accept-Ranges",
  "Content-Length",
  "Content-Range",
  "ETag",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "X-Request-Id"
]

/** The pages of `CORS_ORIGINS` may read answers; no others, and none where it is not set. */
export const layer = Layer.unwrap(
  Effect.map(Configuration, ({ corsOrigins }) =>
    corsOrigins.length === 0
      ? Layer.empty
      : HttpRouter.cors({
          allowedOrigins: corsOrigins,
          allowedMethods: ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"],
          allowedHeaders: [
            "Authorization",
            "Content-Type",
            "If-Match",
            "If-None-Match",
            "Last-Event-ID",
            "Range",
            "X-Token-Transport"
          ],
          exposedHeaders,
          credentials: true,
          maxAge: 600
        })
  )
)

/** The same for answers that are written past the router. */
export class CorsFields extends Context.Service<
  CorsFields,
  { readonly of: (origin: string | undefined) => Readonly<Record<string, string>> }
>()("@joy/server/CorsFields") {
  static readonly layer = Layer.effect(
    CorsFields,
    Effect.map(Configuration, ({ corsOrigins }) => {
      const exposed = exposedHeaders.join(",")
      return CorsFields.of({
        of: (origin) => ({
          ...(corsOrigins.length === 0 ? {} : { vary: "Origin" }),
          ...(origin === undefined || !corsOrigins.includes(origin)
            ? {}
            : {
                "access-control-allow-origin": origin,
                "access-control-allow-credentials": "true",
                "access-control-expose-headers": exposed
              })
        })
      })
    })
  )
}

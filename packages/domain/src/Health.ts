import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

export const Check = Schema.Struct({
  status: Schema.Literals(["ok", "degraded", "down", "embedded"]),
  latencyMs: Schema.optionalKey(Schema.Finite),
  detail: Schema.optionalKey(Schema.String)
}).annotate({ identifier: "Check" })
export type Check = typeof Check.Type

export const Health = Schema.Struct({
  status: Schema.Literals(["ok", "degraded"]),
  version: Schema.String,
  uptimeSeconds: Schema.Finite,
  checks: Schema.Record(Schema.String, Check)
}).annotate({ identifier: "Health" })
export type Health = typeof Health.Type

export const RedisHealth = Schema.Struct({
  status: Schema.Literals(["ok", "embedded"]),
  latencyMs: Schema.optionalKey(Schema.Finite)
}).annotate({ identifier: "RedisHealth" })

export const Ready = Schema.Struct({ status: Schema.Literal("ready") }).annotate({ identifier: "Ready" })
export const Live = Schema.Struct({ status: Schema.Literal("live") }).annotate({ identifier: "Live" })

export class Unhealthy extends HttpApiError.Problem<Unhealthy>()(
  "Unhealthy",
  { type: "urn:joy:unhealthy", status: 503, title: "A part that this service needs is away" },
  { checks: Schema.optionalKey(Schema.Record(Schema.String, Check)) }
) {}

export class NotReady extends HttpApiError.Problem<NotReady>()("NotReady", {
  type: "urn:joy:not-ready",
  status: 503,
  title: "Not ready to take requests"
}) {}

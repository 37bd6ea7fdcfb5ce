import { AuditTrail } from "@joy/auth/AuditTrail"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

export const AuditHandlers = HttpApiBuilder.group(
  Api,
  "audit",
  Effect.fn(function* (handlers) {
    const audit = yield* AuditTrail
    return handlers.handleAll({ list: ({ query }) => audit.list(query) })
  })
)

import { Roles } from "@joy/auth/Roles"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const RoleHandlers = HttpApiBuilder.group(
  Api,
  "roles",
  Effect.fn(function* (handlers) {
    const roles = yield* Roles
    const address = yield* ClientAddress

    return handlers.handleAll({
      list: ({ query }) => roles.list(query),
      create: ({ payload }) => Effect.flatMap(address.of, (facts) => roles.create(payload, facts)),
      replace: ({ params, payload }) => Effect.flatMap(address.of, (facts) => roles.replace(params.id, payload, facts)),
      remove: ({ params }) => Effect.flatMap(address.of, (facts) => roles.remove(params.id, facts))
    })
  })
)

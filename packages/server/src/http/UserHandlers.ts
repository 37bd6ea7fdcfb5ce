import { AccountChanges } from "@joy/auth/AccountChanges"
import { Accounts } from "@joy/auth/Accounts"
import { Roles } from "@joy/auth/Roles"
import { Api } from "@joy/domain/Api"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"

import { ClientAddress } from "./ClientAddress.ts"

export const UserHandlers = HttpApiBuilder.group(
  Api,
  "users",
  Effect.fn(function* (handlers) {
    const accounts = yield* Accounts
    const changes = yield* AccountChanges
    const roles = yield* Roles
    const address = yield* ClientAddress

    return handlers.handleAll({
      me: () => accounts.me,
      list: ({ query }) => accounts.list(query),
      byId: ({ params }) => accounts.byId(params.id),
      create: ({ payload }) => Effect.flatMap(address.of, (facts) => accounts.create(payload, facts)),
      update: ({ params, payload }) => Effect.flatMap(address.of, (facts) => changes.update(params.id, payload, facts)),
      setRoles: ({ params, payload }) =>
        Effect.flatMap(address.of, (facts) => roles.assign(params.id, payload.roles, facts)),
      remove: ({ params }) => Effect.flatMap(address.of, (facts) => changes.remove(params.id, facts))
    })
  })
)

import { Denials } from "@joy/auth/Denials"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

import { principalOf } from "./AuthorizationLayer.ts"
import { ClientAddress } from "./ClientAddress.ts"
import * as RouteTable from "./RouteTable.ts"

/** Writes down who was answered with a 403. Looks up anew who asked, so that nobody else pays for it. */
export class DenialNotes extends Context.Service<
  DenialNotes,
  {
    readonly note: (
      request: HttpServerRequest.HttpServerRequest
    ) => Effect.Effect<void, never, HttpServerRequest.HttpServerRequest>
  }
>()("@joy/server/DenialNotes") {
  static readonly layer = Layer.effect(
    DenialNotes,
    Effect.gen(function* () {
      const denials = yield* Denials
      const address = yield* ClientAddress
      const find = yield* principalOf
      const routes = RouteTable.make([])

      const note = Effect.fnUntraced(
        function* (request: HttpServerRequest.HttpServerRequest) {
          const [, credential = ""] = /^Bearer +(\S+)$/i.exec(request.headers["authorization"] ?? "") ?? []
          const principal = yield* Effect.orElseSucceed(find(Redacted.make(credential)), () => null)
          yield* denials.note({
            action: "access.denied",
            principal,
            facts: yield* address.of,
            // Without what stands in the path for an id: it may be a secret.
            detail: { route: `${request.method} ${routes.pathOf(request.url) ?? "?"}` }
          })
        },
        Effect.catchCause((cause) => Effect.logWarning("A refusal was not written down", cause))
      )
      return DenialNotes.of({ note })
    })
  )
}

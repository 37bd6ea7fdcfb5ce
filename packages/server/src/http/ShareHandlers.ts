import { RateLimits } from "@joy/auth/RateLimits"
import { Shares } from "@joy/catalog/Shares"
import { Api } from "@joy/domain/Api"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { ShareNotFound } from "@joy/domain/Share"
import { Playbacks } from "@joy/playback/Playbacks"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Redacted from "effect/Redacted"

import { Configuration } from "../config/Configuration.ts"
import { ClientAddress } from "./ClientAddress.ts"

export const ShareHandlers = HttpApiBuilder.group(
  Api,
  "shares",
  Effect.fn(function* (handlers) {
    const shares = yield* Shares
    const playbacks = yield* Playbacks
    const limits = yield* RateLimits
    const address = yield* ClientAddress
    const { publicUrl } = yield* Configuration

    return handlers.handleAll({
      create: Effect.fnUntraced(function* ({ params, payload }) {
        const { token, ...share } = yield* shares.create(params.id, payload, yield* address.of)
        return { ...share, url: Redacted.make(`${publicUrl}/shares/${Redacted.value(token)}`) }
      }),
      list: ({ params, query }) => shares.list(params.id, query),
      revoke: ({ params }) => Effect.flatMap(address.of, (facts) => shares.revoke(params.id, params.shareId, facts)),
      open: Effect.fnUntraced(function* ({ params }) {
        yield* limits.share(yield* address.of)
        const { holder, itemId, ...opened } = yield* shares.open(params.token)
        const playback = yield* playbacks.prepare(itemId).pipe(
          Effect.provideService(CurrentPrincipal, holder),
          Effect.catchTag("ContentUnavailable", () => Effect.succeed(null)),
          // It ended in between.
          Effect.catchTag(["MediaItemNotFound", "Forbidden"], () => Effect.fail(new ShareNotFound({})))
        )
        return { ...opened, playback }
      })
    })
  })
)

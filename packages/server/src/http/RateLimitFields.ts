import { type Quota, QuotaListener } from "@joy/auth/Quota"
import { RateLimited } from "@joy/domain/RateLimited"
import * as Effect from "effect/Effect"
import * as HttpEffect from "effect/http/HttpEffect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"

const item = ({ name }: Quota, parameters: Readonly<Record<string, number>>) =>
  [`"${name}"`, ...Object.entries(parameters).map(([key, value]) => `${key}=${value}`)].join(";")

/**
 * Tells what is left of the limits that the request counted against (draft-ietf-httpapi-ratelimit-headers-10), whatever
 * the answer is. A refused one speaks of the limit that refused it alone: its reset is the same moment as `Retry-After`,
 * and another one's may be later.
 */
const fields = (quotas: ReadonlyArray<Quota>, isRefusal: boolean) => {
  const told = isRefusal ? quotas.slice(-1) : quotas
  return {
    "ratelimit-policy": told.map((quota) => item(quota, { q: quota.limit, w: quota.windowSeconds })).join(", "),
    ratelimit: told.map((quota) => item(quota, { r: quota.remaining, t: quota.resetSeconds })).join(", ")
  }
}

export const layer = Layer.succeed(RateLimited, (handled) =>
  Effect.suspend(() => {
    // By name: one that was given back is told as it is then.
    const quotas = new Map<string, Quota>()
    const listener = (quota: Quota) => void quotas.set(quota.name, quota)
    return HttpEffect.withPreResponseHandler(
      Effect.provideService(handled, QuotaListener, listener),
      (_request, response) =>
        Effect.succeed(
          quotas.size === 0
            ? response
            : HttpServerResponse.setHeaders(response, fields([...quotas.values()], response.status === 429))
        )
    )
  })
)

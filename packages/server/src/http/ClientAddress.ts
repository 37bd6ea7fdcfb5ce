import { BlockList, isIPv4, isIPv6 } from "node:net"

import type { RequestFacts } from "@joy/domain/RequestFacts"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"

import { Configuration } from "../config/Configuration.ts"

const family = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4")

/** IPv4 written as IPv6 (RFC 4291, 2.5.5.2) is IPv4. */
const plain = (address: string) => address.replace(/^::ffff:(?=\d+\.)/i, "")

const networks = (cidrs: ReadonlyArray<string>) => {
  const list = new BlockList()
  for (const cidr of cidrs) {
    const [address = "", bits] = cidr.split("/")
    if (bits === undefined) list.addAddress(address, family(address))
    else list.addSubnet(address, Number(bits), family(address))
  }
  return list
}

/**
 * Where requests come from. `X-Forwarded-For` is believed only from `TRUSTED_PROXIES`, and only up to the first address,
 * counted from our side, that is no trusted proxy: what stands before it was written by the client.
 */
export class ClientAddress extends Context.Service<
  ClientAddress,
  {
    readonly of: Effect.Effect<RequestFacts, never, HttpServerRequest.HttpServerRequest>
    /** The client's address, by that of who is connected and by what the request says. */
    readonly resolve: (peer: string, forwardedFor: string | undefined) => string
  }
>()("@joy/server/ClientAddress") {
  static readonly layer = Layer.effect(
    ClientAddress,
    Effect.gen(function* () {
      const { trustedProxies } = yield* Configuration
      const trusted = networks(trustedProxies)
      const isTrusted = (address: string) => trusted.check(address, family(address))

      const resolve = (connected: string, forwardedFor: string | undefined) => {
        const peer = plain(connected)
        if (forwardedFor === undefined || !isTrusted(peer)) return peer
        const hops = forwardedFor.split(",").map((hop) => plain(hop.trim()))
        let client = peer
        for (const hop of hops.toReversed()) {
          if (!isIPv4(hop) && !isIPv6(hop)) break
          client = hop
          if (!isTrusted(hop)) break
        }
        return client
      }

      return ClientAddress.of({
        resolve,
        of: Effect.map(HttpServerRequest.HttpServerRequest, (request) => ({
          ip: Option.match(request.remoteAddress, {
            onNone: () => null,
            onSome: (peer) => resolve(peer, request.headers["x-forwarded-for"])
          }),
          userAgent: request.headers["user-agent"] ?? null
        }))
      })
    })
  )
}

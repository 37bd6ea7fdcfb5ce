import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"

import { Health, Live, NotReady, Ready, RedisHealth, Unhealthy } from "./Health.ts"

/** For operators and orchestrators. */
export class HealthApi extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("health", "/", { success: Health, error: Unhealthy }).annotateMerge(
      OpenApi.annotations({ summary: "What works; 503 when the database is away" })
    ),
    HttpApiEndpoint.get("redis", "/redis", { success: RedisHealth, error: Unhealthy }).annotateMerge(
      OpenApi.annotations({ summary: "Redis; 503 when it is configured and away" })
    ),
    HttpApiEndpoint.get("live", "/live", { success: Live }).annotateMerge(
      OpenApi.annotations({ summary: "Whether the process runs" })
    ),
    HttpApiEndpoint.get("ready", "/ready", { success: Ready, error: NotReady }).annotateMerge(
      OpenApi.annotations({ summary: "Whether to send requests: 503 while starting, draining or behind on migrations" })
    )
  )
  .prefix("/health")
  .annotateMerge(OpenApi.annotations({ title: "Health", description: "For operators and orchestrators" })) {}

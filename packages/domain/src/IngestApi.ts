import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"

import { ServiceUnavailable } from "./Problem.ts"
import { StoreAuthorization } from "./StoreAuthorization.ts"
import { StoreNotification } from "./StoreNotification.ts"

/** For object stores. */
export class IngestApi extends HttpApiGroup.make("ingest")
  .add(
    HttpApiEndpoint.post("events", "/events", {
      payload: StoreNotification,
      success: HttpApiSchema.Accepted,
      error: ServiceUnavailable
    }).annotateMerge(
      OpenApi.annotations({
        summary: "What changed in the bucket: a hint where to look, which the store has to confirm"
      })
    )
  )
  .middleware(StoreAuthorization)
  .prefix("/ingest")
  .annotateMerge(OpenApi.annotations({ title: "Ingest", description: "For object stores" })) {}

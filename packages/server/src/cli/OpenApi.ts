import { Api } from "@joy/domain/Api"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as OpenApi from "effect/http-api/OpenApi"

export const openapi = Effect.suspend(() => Console.log(JSON.stringify(OpenApi.fromApi(Api), null, 2)))

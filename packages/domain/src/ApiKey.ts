import * as HttpApiError from "effect/http-api/HttpApiError"
import * as Schema from "effect/Schema"

import { ApiKeyId } from "./Ids.ts"
import { Permission } from "./Permission.ts"
import { Text } from "./Text.ts"
import { Instant, Timestamp } from "./Timestamp.ts"

/** What makes an API key. */
export const NewApiKey = Schema.Struct({
  name: Text(100).check(Schema.isMinLength(1)),
  permissions: Schema.Array(Permission).check(Schema.isMaxLength(64)),
  /** Without it the key works until it is revoked. */
  expiresAt: Schema.optionalKey(Schema.NullOr(Instant))
}).annotate({ identifier: "NewApiKey" })
export type NewApiKey = typeof NewApiKey.Type

const fields = {
  id: ApiKeyId,
  name: Schema.String,
  /** What the key was made for. It can do of this what its owner can at that moment. */
  permissions: Schema.Array(Permission),
  expiresAt: Schema.NullOr(Timestamp),
  createdAt: Timestamp
}

export const ApiKey = Schema.Struct({
  ...fields,
  /** To the minute. */
  lastUsedAt: Schema.NullOr(Timestamp)
}).annotate({ identifier: "ApiKey" })
export type ApiKey = typeof ApiKey.Type

/** A key that was just made: the only time that it is shown. */
export const IssuedApiKey = Schema.Struct({
  ...fields,
  key: Schema.RedactedFromValue(Schema.String)
}).annotate({ identifier: "IssuedApiKey" })
export type IssuedApiKey = typeof IssuedApiKey.Type

export class ApiKeyNotFound extends HttpApiError.Problem<ApiKeyNotFound>()("ApiKeyNotFound", {
  type: "urn:joy:not-found",
  status: 404,
  title: "There is no such API key"
}) {}

import * as Data from "effect/Data"
import * as Predicate from "effect/Predicate"

import { StoreUnavailable } from "../StoreError.ts"
import type { Options } from "./Options.ts"

/** What can be told from what the SDK threw: the server's code, or the name of what failed on the way to it. */
export class S3Error extends Data.TaggedError("S3Error")<{
  readonly name: string
  readonly status: number | undefined
  readonly detail: string
}> {}

const text = (value: unknown, key: string): string | undefined =>
  Predicate.hasProperty(value, key) && typeof value[key] === "string" && value[key] !== "" ? value[key] : undefined

export const inspect = (cause: unknown): S3Error => {
  const metadata = Predicate.hasProperty(cause, "$metadata") ? cause.$metadata : undefined
  const status =
    Predicate.hasProperty(metadata, "httpStatusCode") && typeof metadata.httpStatusCode === "number"
      ? metadata.httpStatusCode
      : undefined
  // A network error has its name in `code` ("ECONNREFUSED"); an answer of S3 in `name`.
  const name = (status === undefined ? text(cause, "code") : undefined) ?? text(cause, "name") ?? "UnknownError"
  return new S3Error({ name, status, detail: text(cause, "message") ?? name })
}

const networkFailures = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "TimeoutError",
  "RequestTimeout"
])

const busy = new Set([
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "RequestLimitExceeded",
  "TooManyRequestsException"
])

const refusedKeys = new Set([
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "InvalidToken",
  "ExpiredToken",
  "AuthFailure"
])

const wrongRegion = new Set(["PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"])

/** What servers of one's own say; Amazon's has room for everybody. */
const full = new Set(["XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded", "InsufficientStorage"])

const isFull = (error: S3Error): boolean => error.status === 507 || full.has(error.name)

const isRetryable = (error: S3Error): boolean =>
  networkFailures.has(error.name) ||
  busy.has(error.name) ||
  error.status === 429 ||
  (error.status !== undefined && error.status >= 500 && error.status !== 501)

/** Why the store can't be used, and what the one who runs it can do about it. */
const explain = (error: S3Error, options: Options): string => {
  const bucket = `the bucket ${options.bucket}`
  const server = options.endpoint ?? "S3"
  const said = `${error.name}: ${error.detail}`
  if (error.name === "NoSuchBucket") return `${bucket} does not exist at ${server}: create it, or correct its name`
  if (error.name === "CredentialsProviderError") {
    return "no AWS credentials were found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give this machine a role"
  }
  if (refusedKeys.has(error.name)) {
    return `${server} refuses the credentials (${error.name}): check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`
  }
  if (error.name === "RequestTimeTooSkewed") return "the clock of this machine is wrong: set it"
  if (error.name === "InvalidObjectState") return "the object is archived: restore it in S3 before it can be read"
  if (error.status === 301 || wrongRegion.has(error.name)) {
    return `${bucket} is in another region: set the region (${error.detail})`
  }
  if (error.detail.includes("Region is missing")) return "no AWS region is known: set the region, or AWS_REGION"
  if (error.status === 401 || error.status === 403) {
    return `${server} denies access to ${bucket} (${error.name}): check the credentials, and grant them s3:ListBucket, s3:GetObject, s3:PutObject and s3:DeleteObject`
  }
  if (error.status === undefined && networkFailures.has(error.name)) {
    return `${server} can't be reached (${said}): check that it runs, and the endpoint`
  }
  return `${server} answered ${error.status ?? "nothing"} (${said})`
}

export const unavailable =
  (operation: string, options: Options) =>
  (error: S3Error): StoreUnavailable =>
    new StoreUnavailable({
      operation,
      reason: explain(error, options),
      retryable: isRetryable(error),
      isFull: isFull(error)
    })

export const isNotFound = (error: S3Error) =>
  error.name === "NoSuchKey" || error.name === "NotFound" || (error.status === 404 && error.name !== "NoSuchBucket")

export const isChanged = (error: S3Error) => error.status === 412

export const isUnsatisfiable = (error: S3Error) => error.status === 416

import type { S3Client } from "@aws-sdk/client-s3"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

import type { StoreUnavailable } from "../StoreError.ts"
import * as Failure from "./Failure.ts"
import { normalisePrefix, type Options } from "./Options.ts"

const connectionTimeoutMillis = 5_000
/** Until the answer begins; what then comes has a limit of its own (Body.ts). */
const answerTimeoutMillis = 30_000
const maxAttempts = 3
/** A slow viewer holds one for as long as they watch. The SDK's 50 would make the 51st wait. */
const maxSockets = 1024

/** The SDK costs 100 ms and 33 MB to load. An installation on a folder never does. */
const loadSdk = Effect.promise(() => import("@aws-sdk/client-s3"))

export type Sdk = Effect.Success<typeof loadSdk>

export interface Bucket {
  readonly sdk: Sdk
  readonly client: S3Client
  readonly name: string
  readonly prefix: string
  /** Runs one request, aborted when the fiber is interrupted. What goes wrong is left as the SDK threw it. */
  readonly request: <A>(
    run: (abort: { readonly abortSignal: AbortSignal }) => Promise<A>
  ) => Effect.Effect<A, Failure.S3Error>
  readonly unavailable: (operation: string) => (error: Failure.S3Error) => StoreUnavailable
}

export const open = Effect.fnUntraced(function* (options: Options): Effect.fn.Return<Bucket, never, Scope.Scope> {
  const sdk = yield* loadSdk
  const { credentials, endpoint } = options
  const region = options.region ?? (endpoint === undefined ? undefined : "us-east-1")
  const agent = { keepAlive: true, maxSockets }
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new sdk.S3Client({
          ...(endpoint === undefined ? {} : { endpoint }),
          ...(region === undefined ? {} : { region }),
          ...(credentials === undefined
            ? {}
            : {
                credentials: {
                  accessKeyId: credentials.accessKeyId,
                  secretAccessKey: Redacted.value(credentials.secretAccessKey)
                }
              }),
          forcePathStyle: options.forcePathStyle ?? false,
          maxAttempts,
          // The newer checksums are unknown to many servers, and in a presigned URL they are those of an empty body.
          requestChecksumCalculation: "WHEN_REQUIRED",
          responseChecksumValidation: "WHEN_REQUIRED",
          requestHandler: {
            connectionTimeout: connectionTimeoutMillis,
            requestTimeout: answerTimeoutMillis,
            throwOnRequestTimeout: true,
            httpAgent: agent,
            httpsAgent: agent
          }
        })
    ),
    (client) => Effect.sync(() => client.destroy())
  )
  return {
    sdk,
    client,
    name: options.bucket,
    prefix: normalisePrefix(options.prefix),
    request: (run) =>
      Effect.tryPromise({ try: (abortSignal) => run({ abortSignal }), catch: (cause) => Failure.inspect(cause) }),
    unavailable: (operation) => Failure.unavailable(operation, options)
  }
})

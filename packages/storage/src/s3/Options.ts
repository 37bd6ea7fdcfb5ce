import type * as Redacted from "effect/Redacted"

export interface Options {
  readonly bucket: string
  /** The part of every S3 key that comes before ours; ends in `/`, or is given one. `""` for the whole bucket. */
  readonly prefix: string
  /** Another server than AWS's own. */
  readonly endpoint?: string | undefined
  /** By the AWS default chain when absent; behind an `endpoint`, where nothing depends on it, `us-east-1`. */
  readonly region?: string | undefined
  /** `endpoint/bucket/key` instead of `bucket.endpoint/key`; what most servers but AWS's want. */
  readonly forcePathStyle?: boolean | undefined
  /** Refuses `write`, `delete` and `presignPut`. */
  readonly readOnly?: boolean | undefined
  /** By the AWS default chain (environment, profile, container, instance) when absent. */
  readonly credentials?: { readonly accessKeyId: string; readonly secretAccessKey: Redacted.Redacted } | undefined
}

/** S3 keys have no leading `/`, and a prefix without a trailing one would also match `media-old/`. */
export const normalisePrefix = (prefix: string): string => {
  const bare = prefix.replace(/^\/+/, "").replace(/\/+$/, "")
  return bare === "" ? "" : `${bare}/`
}

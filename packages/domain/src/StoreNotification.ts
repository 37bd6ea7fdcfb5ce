import * as Schema from "effect/Schema"

/**
 * What object stores post when something changes in a bucket. Only what is used is read; everything else may be there or
 * not, and differs from server to server.
 */

const bucket = Schema.Struct({ name: Schema.String })
const object = Schema.Struct({
  key: Schema.String,
  /** Hexadecimal; grows with the events of one key. */
  sequencer: Schema.optional(Schema.NullOr(Schema.String))
})

/** The notification document of S3 (*Event message structure*), which MinIO and versitygw post as well. */
export const S3Records = Schema.Struct({
  Records: Schema.Array(Schema.Struct({ eventName: Schema.String, s3: Schema.Struct({ bucket, object }) }))
}).annotate({ identifier: "S3Records" })

/** One event as EventBridge passes it on (*EventBridge event message structure*). */
export const EventBridgeEvent = Schema.Struct({
  "detail-type": Schema.String,
  detail: Schema.Struct({ bucket, object })
}).annotate({ identifier: "EventBridgeEvent" })

/** What S3 and versitygw send to see whether somebody listens. */
export const S3TestEvent = Schema.Struct({ Event: Schema.Literal("s3:TestEvent") }).annotate({
  identifier: "S3TestEvent"
})

export const StoreNotification = Schema.Union([S3Records, EventBridgeEvent, S3TestEvent]).annotate({
  identifier: "StoreNotification"
})
export type StoreNotification = typeof StoreNotification.Type

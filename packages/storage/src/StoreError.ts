import { ObjectKey } from "@joy/domain/StoredObject"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/** No object has this key (S3: 404 NoSuchKey). */
export class ObjectNotFound extends Schema.TaggedError<ObjectNotFound>()("ObjectNotFound", { key: ObjectKey }) {
  override get message() {
    return `There is no object ${JSON.stringify(this.key)}`
  }
}

/** The object no longer has the version that was asked for (S3: 412 PreconditionFailed). */
export class ObjectChanged extends Schema.TaggedError<ObjectChanged>()("ObjectChanged", { key: ObjectKey }) {
  override get message() {
    return `The object ${JSON.stringify(this.key)} was replaced`
  }
}

/** The range begins behind the end of the object (RFC 9110, 15.5.17). */
export class RangeNotSatisfiable extends Schema.TaggedError<RangeNotSatisfiable>()("RangeNotSatisfiable", {
  key: ObjectKey,
  sizeBytes: Schema.Finite
}) {}

/** The store did not answer, refused, or broke off. `retryable` says whether the same call may succeed later. */
export class StoreUnavailable extends Schema.TaggedError<StoreUnavailable>()("StoreUnavailable", {
  operation: Schema.String,
  reason: Schema.String,
  retryable: Schema.Boolean,
  /** There is no room: no call that writes succeeds until somebody makes some. */
  isFull: Schema.Boolean.pipe(Schema.withConstructorDefault(Effect.succeed(false)))
}) {
  override get message() {
    return `The store failed to ${this.operation}: ${this.reason}`
  }
}

/** The store holds the library and may not be written to. */
export class StoreReadOnly extends Schema.TaggedError<StoreReadOnly>()("StoreReadOnly", { key: ObjectKey }) {}

/** This kind of store has no URLs of its own. */
export class PresignUnsupported extends Schema.TaggedError<PresignUnsupported>()("PresignUnsupported", {}) {}

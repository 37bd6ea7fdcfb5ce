import type { ObjectChanged, ObjectNotFound, StoreUnavailable } from "@joy/storage/StoreError"
import * as Schema from "effect/Schema"

/**
 * The object itself is bad: not a medium, cut short, damaged, or refused for what it declares. Reading the same version
 * again gives the same answer, so this is never retried.
 */
export class UnreadableMedia extends Schema.TaggedError<UnreadableMedia>()("UnreadableMedia", {
  /** The step that found out: `probe`, `thumbnails`, `samples`, or what the caller of `Ffmpeg` calls its own. */
  step: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `The object ${this.reason}`
  }
}

/** Reading the object took longer than any good one takes. Counts as a bad object. */
export class MediaTimeout extends Schema.TaggedError<MediaTimeout>()("MediaTimeout", {
  step: Schema.String,
  /** The limit that was reached, in seconds. */
  seconds: Schema.Finite
}) {
  override get message() {
    return `The object was not read within ${this.seconds} seconds`
  }
}

/** Reading the object took more memory, CPU time, bytes or output than any good one takes. Counts as a bad object. */
export class MediaResourceExceeded extends Schema.TaggedError<MediaResourceExceeded>()("MediaResourceExceeded", {
  step: Schema.String,
  resource: Schema.Literals(["memory", "cpu", "input", "output"])
}) {
  override get message() {
    return this.resource === "input"
      ? "The object was read for more than its budget"
      : `The object took more ${this.resource === "cpu" ? "CPU time" : this.resource} than is allowed`
  }
}

/** A tool that this object can't be read without is not installed. Says nothing about the object: retry when it is. */
export class FfmpegMissing extends Schema.TaggedError<FfmpegMissing>()("FfmpegMissing", {
  tool: Schema.Literals(["ffmpeg", "ffprobe"]),
  reason: Schema.String
}) {
  override get message() {
    const variable = this.tool === "ffmpeg" ? "FFMPEG_PATH" : "FFPROBE_PATH"
    return (
      `${this.tool} ${this.reason}: install ffmpeg 5.1 or newer ("apt-get install ffmpeg", "brew install ffmpeg"), ` +
      `or set ${variable} to its path`
    )
  }
}

/** ffmpeg did not make the file that we described to it: it lacks an encoder, or the disk is full. */
export class GenerateFailed extends Schema.TaggedError<GenerateFailed>()("GenerateFailed", { reason: Schema.String }) {
  override get message() {
    return `ffmpeg failed: ${this.reason}`
  }
}

/** The object is bad, whichever way it shows. */
export type BadMedia = UnreadableMedia | MediaTimeout | MediaResourceExceeded

/** What a store may answer while its object is being read. */
export type StoreFailure = ObjectNotFound | ObjectChanged | StoreUnavailable

/** Everything that reading a medium may fail with. */
export type MediaError = BadMedia | FfmpegMissing | StoreFailure

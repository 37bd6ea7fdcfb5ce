import * as Schema from "effect/Schema"

/** Why an export, a backup, or what is made of one, was not to be had. Whatever it is: nothing was changed by halves. */

/** A file can't be read or written. */
export class FileFailed extends Schema.TaggedError<FileFailed>()("FileFailed", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

/** A file of ours was changed, damaged, or is none. */
export class LineInvalid extends Schema.TaggedError<LineInvalid>()("LineInvalid", {
  path: Schema.String,
  line: Schema.Finite,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} can't be used: line ${this.line} ${this.reason}. Nothing was changed.`
  }
}

/** A file ends before its end. */
export class FileCut extends Schema.TaggedError<FileCut>()("FileCut", { path: Schema.String }) {
  override get message() {
    return `${this.path} is not whole: its last line is missing, or tells of more than there is. Nothing was changed.`
  }
}

/** A file was written by a later version. */
export class FileNewer extends Schema.TaggedError<FileNewer>()("FileNewer", {
  path: Schema.String,
  found: Schema.Finite,
  known: Schema.Finite
}) {
  override get message() {
    return `${this.path} was written by a later joy (${this.found}; this one knows up to ${this.known}): upgrade first.`
  }
}

/** Lines of a file contradict each other, or what this database holds to. */
export class FileContradictory extends Schema.TaggedError<FileContradictory>()("FileContradictory", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} can't be used: ${this.reason}. Nothing was changed.`
  }
}

/** There is something already where everything is to go. */
export class TargetNotEmpty extends Schema.TaggedError<TargetNotEmpty>()("TargetNotEmpty", {
  users: Schema.Finite,
  items: Schema.Finite,
  advice: Schema.String
}) {
  override get message() {
    return `The database is not empty: it has ${this.users} users and ${this.items} items. ${this.advice}`
  }
}

/** Somebody works with the database that is to be replaced. */
export class TargetInUse extends Schema.TaggedError<TargetInUse>()("TargetInUse", { connections: Schema.Finite }) {
  override get message() {
    return `The database is in use (${this.connections} connections): stop joy first.`
  }
}

import * as Schema from "effect/Schema"

/** No Postgres was installed for this machine: npm skipped the optional package, or there is none for it. */
export class BinariesMissing extends Schema.TaggedError<BinariesMissing>()("BinariesMissing", {
  package: Schema.String
}) {
  override get message() {
    return `${this.package} is not installed: run "npm start" once, or set DATABASE_URL to a Postgres of your own`
  }
}

/** Postgres refuses to run as root, and the unprivileged user it runs as instead can't get to the folder. */
export class FolderUnreachable extends Schema.TaggedError<FolderUnreachable>()("FolderUnreachable", {
  path: Schema.String,
  /** The folder on the way that lets nobody else pass. */
  blockedBy: Schema.String,
  uid: Schema.Int,
  suggestion: Schema.String
}) {
  override get message() {
    return (
      `${this.path} can't be reached by the unprivileged user (uid ${this.uid}) that Postgres runs as when started by ` +
      `root, because ${this.blockedBy} is closed to others: set DATA_DIR=${this.suggestion}, or start as another user`
    )
  }
}

/** Another process runs Postgres on this folder. */
export class FolderInUse extends Schema.TaggedError<FolderInUse>()("FolderInUse", {
  path: Schema.String,
  /** Its process, where it is known. */
  pid: Schema.NullOr(Schema.Int)
}) {
  override get message() {
    const who = this.pid === null ? "another process" : `process ${this.pid}`
    return `${this.path} is in use by ${who}: stop it first, or set DATA_DIR to another folder`
  }
}

/** The folder may not be read or written: read-only, or of another user. */
export class FolderForbidden extends Schema.TaggedError<FolderForbidden>()("FolderForbidden", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path} can't be used for the database: ${this.reason}`
  }
}

/** The disk is full, or a quota is. */
export class FolderFull extends Schema.TaggedError<FolderFull>()("FolderFull", { path: Schema.String }) {
  override get message() {
    return `There is no space left for the database in ${this.path}`
  }
}

/** The folder holds a database of another major version of Postgres, or none that can be recognised. */
export class VersionMismatch extends Schema.TaggedError<VersionMismatch>()("VersionMismatch", {
  path: Schema.String,
  /** What `PG_VERSION` says; `null` when it is not there. */
  found: Schema.NullOr(Schema.String),
  expected: Schema.String
}) {
  override get message() {
    return this.found === null
      ? `${this.path} holds no Postgres database (no PG_VERSION): move it away, or set DATA_DIR to another folder`
      : `${this.path} holds a database of Postgres ${this.found}, this is Postgres ${this.expected}: dump it with the ` +
          `version that wrote it, or set DATA_DIR to another folder`
  }
}

/** The port that was asked for is taken. */
export class PortTaken extends Schema.TaggedError<PortTaken>()("PortTaken", { port: Schema.Int }) {
  override get message() {
    return `Port ${this.port} of 127.0.0.1 is taken`
  }
}

/** Postgres did not start, and none of the above says why. */
export class StartFailed extends Schema.TaggedError<StartFailed>()("StartFailed", {
  step: Schema.Literals(["prepare", "initdb", "start", "connect"]),
  /** The last lines it wrote. */
  detail: Schema.String
}) {
  override get message() {
    return `The embedded Postgres failed to ${this.step === "initdb" ? "set up its folder" : this.step}: ${this.detail}`
  }
}

export const Reason = Schema.Union([
  BinariesMissing,
  FolderUnreachable,
  FolderInUse,
  FolderForbidden,
  FolderFull,
  VersionMismatch,
  PortTaken,
  StartFailed
])
export type Reason = typeof Reason.Type

/** Why the embedded Postgres is not there. The message says what to do. */
export class EmbeddedPostgresError extends Schema.TaggedError<EmbeddedPostgresError>()("EmbeddedPostgresError", {
  reason: Reason
}) {
  override get message() {
    return this.reason.message
  }
}

export const failure = (reason: Reason): EmbeddedPostgresError => new EmbeddedPostgresError({ reason })

import * as Schema from "effect/Schema"

/** A port can't be listened on. */
export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  /** The variable that names the port. */
  name: Schema.Literals(["PORT", "METRICS_PORT", "RUNNER_PORT"]),
  host: Schema.String,
  port: Schema.Finite,
  code: Schema.String
}) {
  /** Says why in the words of the system's error code. */
  static readonly of =
    (where: { readonly name: ListenFailed["name"]; readonly host: string; readonly port: number }) =>
    ({ cause }: { readonly cause: unknown }) =>
      new ListenFailed({
        ...where,
        code: typeof cause === "object" && cause !== null && "code" in cause ? String(cause.code) : String(cause)
      })

  override get message() {
    switch (this.code) {
      case "EADDRINUSE":
        return `Port ${this.port} on ${this.host} is in use by another program: stop it, or set ${this.name} to another one.`
      case "EACCES":
        return `Port ${this.port} needs more rights than this user has: set ${this.name} to one above 1023.`
      case "EADDRNOTAVAIL":
      case "ENOTFOUND":
        return this.name === "RUNNER_PORT"
          ? `${this.host} is no address of this machine: set RUNNER_HOST to one that is.`
          : `${this.host} is no address of this machine: set HOST to one that is, or to 0.0.0.0 for all.`
      default:
        return `${this.host}:${this.port} can't be listened on: ${this.code}`
    }
  }
}

import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A command loads what it needs when it runs: `joy --help` should not wait for a database driver. */
const lazily = <A, E, R>(load: () => Promise<Effect.Effect<A, E, R>>) => Effect.flatten(Effect.promise(load))

const up = Command.make("up", {}, () => lazily(() => import("./Up.ts").then(({ up }) => up))).pipe(
  Command.withDescription("Run everything in one process, embedded where nothing is configured")
)

const serve = Command.make("serve", {}, () => lazily(() => import("./Serve.ts").then(({ serve }) => serve))).pipe(
  Command.withDescription("Run the API alone; start as many as you like")
)

const ingestStatus = Command.make(
  "status",
  { json: Flag.Boolean("json").pipe(Flag.withDescription("For programs"), Flag.withDefault(false)) },
  (flags) => lazily(() => import("./IngestStatus.ts").then(({ status }) => status(flags)))
).pipe(Command.withDescription("Show who works, what waits, and what failed"))

const ingestRebuild = Command.make(
  "rebuild",
  { kind: Flag.String("kind").pipe(Flag.withDescription("What is to be made anew, such as thumbnail")) },
  (flags) => lazily(() => import("./IngestRebuild.ts").then(({ rebuild }) => rebuild(flags)))
).pipe(Command.withDescription("Make one kind of what is made from the originals anew, for all of them"))

const ingest = Command.make("ingest", {}, () => lazily(() => import("./Ingest.ts").then(({ ingest }) => ingest))).pipe(
  Command.withDescription("Run ingest alone; start as many as you like"),
  Command.withSubcommands([ingestStatus, ingestRebuild])
)

const migrate = Command.make("migrate", {}, () =>
  lazily(() => import("./Migrate.ts").then(({ migrate }) => migrate))
).pipe(Command.withDescription("Bring the database to this version"))

const username = Flag.String("username").pipe(Flag.withDescription("The name to sign in with"))
const passwordStdin = Flag.Boolean("password-stdin").pipe(
  Flag.withDescription("Read the password from standard input instead of asking"),
  Flag.withDefault(false)
)

const adminCreate = Command.make(
  "create",
  { username, email: Flag.String("email").pipe(Flag.withDescription("Their e-mail address")), passwordStdin },
  (flags) => lazily(() => import("./Admin.ts").then(({ create }) => create(flags)))
).pipe(Command.withDescription("Make an account with the role admin"))

const adminResetPassword = Command.make("reset-password", { username, passwordStdin }, (flags) =>
  lazily(() => import("./Admin.ts").then(({ resetPassword }) => resetPassword(flags)))
).pipe(Command.withDescription("Set a new password; ends every session of the account"))

const admin = Command.make("admin").pipe(
  Command.withDescription("Accounts, from the machine that runs them"),
  Command.withSubcommands([adminCreate, adminResetPassword])
)

const keysInit = Command.make("init", {}, () => lazily(() => import("./Keys.ts").then(({ init }) => init))).pipe(
  Command.withDescription("Make the key file; an existing one is kept")
)

const keysRotate = Command.make("rotate", {}, () =>
  lazily(() => import("./Keys.ts").then(({ rotate }) => rotate))
).pipe(Command.withDescription("Stage the next signing key, which then takes over by itself"))

const keys = Command.make("keys").pipe(
  Command.withDescription("The keys that tokens are signed with"),
  Command.withSubcommands([keysInit, keysRotate])
)

const doctor = Command.make("doctor", {}, () => lazily(() => import("./Doctor.ts").then(({ doctor }) => doctor))).pipe(
  Command.withDescription("Check configuration, database, Redis, store, ffmpeg and keys, and say what to do")
)

const openapi = Command.make("openapi", {}, () =>
  lazily(() => import("./OpenApi.ts").then(({ openapi }) => openapi))
).pipe(Command.withDescription("Print the OpenAPI document"))

const output = (what: string) =>
  Flag.String("output").pipe(Flag.withDescription(what), Flag.optional, Flag.map(Option.getOrNull))

const exportAll = Command.make(
  "export",
  { output: output("The file to write, which must not be there yet; standard output without it") },
  (flags) => lazily(() => import("./Transfer.ts").then(({ exportAll }) => exportAll(flags)))
).pipe(
  Command.withDescription(
    "Write accounts, items, tags, progress, favourites and links as lines of JSON, without secrets"
  )
)

const importAll = Command.make(
  "import",
  { file: Argument.String("file").pipe(Argument.withDescription("What joy export wrote")) },
  (flags) => lazily(() => import("./Transfer.ts").then(({ importAll }) => importAll(flags)))
).pipe(Command.withDescription("Fill an empty database from an export, all of it or nothing"))

const backup = Command.make(
  "backup",
  { file: Argument.String("file").pipe(Argument.withDescription("The file to write, which must not be there yet")) },
  (flags) => lazily(() => import("./Transfer.ts").then(({ backup }) => backup(flags)))
).pipe(Command.withDescription("Write all that the database holds, as it is at one moment, also while joy runs"))

const restore = Command.make(
  "restore",
  {
    file: Argument.String("file").pipe(Argument.withDescription("What joy backup wrote")),
    replace: Flag.Boolean("replace").pipe(
      Flag.withDescription("Throw away what the database holds"),
      Flag.withDefault(false)
    )
  },
  (flags) => lazily(() => import("./Transfer.ts").then(({ restore }) => restore(flags)))
).pipe(Command.withDescription("Make the database what it was when a backup was written, all of it or nothing"))

export const joy = Command.make("joy").pipe(
  Command.withDescription("A private, searchable, instantly playable library out of a bucket or a folder of media"),
  Command.withSubcommands([
    up,
    serve,
    ingest,
    migrate,
    admin,
    keys,
    doctor,
    openapi,
    exportAll,
    importAll,
    backup,
    restore
  ])
)

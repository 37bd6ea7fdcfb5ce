import { mkdirSync } from "node:fs"
import { join } from "node:path"

import * as ApiClient from "@joy/domain/ApiClient"
import type { Tokens } from "@joy/domain/Session"
import { Email, Username } from "@joy/domain/User"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as FetchHttpClient from "effect/http/FetchHttpClient"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

import * as Joy from "./Joy.ts"
import * as JoyHttp from "./JoyHttp.ts"

/** Somebody who is signed in: with the typed client, and with the bare token for what the client hides. */
export interface SignedIn {
  readonly client: ApiClient.ApiClient
  readonly token: string
  readonly tokens: Tokens
  readonly userId: string
}

/** The refresh token of an answer that has it in its body. */
export const refreshTokenOf = ({ refreshToken }: Tokens): string =>
  refreshToken === undefined ? "" : Redacted.value(refreshToken)

/** A server that answers. */
export interface Server {
  readonly joy: Joy.JoyProcess
  readonly address: string
  readonly request: (path: string, options?: JoyHttp.RequestOptions) => Effect.Effect<JoyHttp.Answer>
  readonly signIn: (identifier: string, password: string) => Effect.Effect<SignedIn>
}

export interface Up extends Server {
  readonly dataDir: string
  readonly library: string
  readonly user: string | null
  /** Printed at the first start only. */
  readonly password: string | null
}

/** The typed client, signed with a token; an empty one sends none. */
export const clientOf = (address: string, token: string) =>
  ApiClient.make({ baseUrl: address }).pipe(
    Effect.provide([FetchHttpClient.layer, ApiClient.layerBearer(Effect.succeed(Redacted.make(token)))])
  )

export const serverOf = (joy: Joy.JoyProcess, address: string): Server => ({
  joy,
  address,
  request: (path, options) => JoyHttp.request(address, path, options),
  signIn: Effect.fnUntraced(function* (identifier: string, password: string) {
    const anonymous = yield* clientOf(address, "")
    const tokens = yield* anonymous.auth.login({ payload: { identifier, password: Redacted.make(password) } })
    const token = Redacted.value(tokens.accessToken)
    return { client: yield* clientOf(address, token), token, tokens, userId: tokens.user.id }
  }, Effect.orDie)
})

/** What the tests of the whole set unless they say otherwise: any port, and a scan a second. */
export const defaults = (folder: string): Joy.Environment => ({
  DATA_DIR: join(folder, "data"),
  PORT: "0",
  INGEST_INTERVAL: "1s"
})

/** The numbers that `joy up` prints once it runs. */
export const announced = Effect.fnUntraced(function* (joy: Joy.JoyProcess) {
  const [text] = yield* joy.says(/ {2}Address {3}[^]*Ctrl-C stops\./)
  const read = (label: string) => new RegExp(`^ {2}${label} +(.+)$`, "m").exec(text)?.[1] ?? null
  return {
    // On a machine where `localhost` is ::1 first, a bare socket would miss.
    address: (read("Address") ?? "").replace("localhost", "127.0.0.1"),
    docs: read("Docs"),
    library: read("Library") ?? "",
    user: read("User"),
    password: read("Password")
  }
})

/** `joy up` in `folder`, up to where it answers. */
export const up = Effect.fnUntraced(function* (
  folder: string,
  env: Joy.Environment = {}
): Effect.fn.Return<Up, never, Scope.Scope> {
  const all = { ...defaults(folder), ...env }
  const joy = yield* Joy.start(["up"], { env: all, cwd: folder })
  const { address, library, password, user } = yield* announced(joy)
  return { ...serverOf(joy, address), dataDir: all["DATA_DIR"] ?? "", library, user, password }
})

/** `joy serve`, up to where it answers. */
export const serve = Effect.fnUntraced(function* (
  folder: string,
  env: Joy.Environment
): Effect.fn.Return<Server, never, Scope.Scope> {
  const joy = yield* Joy.start(["serve"], { env: { PORT: "0", ...env }, cwd: folder })
  const [, port] = yield* joy.says(/The API listens on [^"\s]*:(\d+)/)
  return serverOf(joy, `http://127.0.0.1:${port}`)
})

/** A `joy up` that the tests of a block share, with its administrator signed in. */
export class JoyUp extends Context.Service<
  JoyUp,
  Up & {
    /** Where it was started; its data folder is in it. */
    readonly folder: string
    readonly password: string
    readonly admin: SignedIn
    /** Makes an account with these roles and signs it in. */
    readonly account: (name: string, roles?: ReadonlyArray<string>) => Effect.Effect<SignedIn>
  }
>()("@joy/testing/JoyUp") {
  /** With `library: "user"` the library is a folder that the user names, and there are no samples. */
  static readonly layer = (
    env: Joy.Environment = {},
    options: { readonly library?: "user" | "samples"; readonly prepare?: (library: string) => void } = {}
  ) =>
    Layer.effect(
      JoyUp,
      Effect.gen(function* () {
        const folder = yield* Joy.folder
        const library = join(folder, "library")
        const named = options.library === "samples" ? {} : { MEDIA_DIR: library }
        mkdirSync(library, { recursive: true })
        options.prepare?.(library)
        const running = yield* up(folder, { ...named, ...env })
        const password = running.password ?? ""
        const admin = yield* running.signIn("admin", password)
        const account = Effect.fnUntraced(function* (name: string, roles: ReadonlyArray<string> = ["viewer"]) {
          yield* admin.client.users.create({
            payload: {
              username: Username.make(name),
              email: Email.make(`${name}@example.org`),
              password: Redacted.make(accountPassword),
              roles
            }
          })
          return yield* running.signIn(name, accountPassword)
        }, Effect.orDie)
        return { ...running, folder, password, admin, account }
      })
    )
}

/** Of every account that `JoyUp.account` makes. */
export const accountPassword = "a tolerable phrase 42"

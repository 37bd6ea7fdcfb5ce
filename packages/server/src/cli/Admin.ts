import { Accounts } from "@joy/auth/Accounts"
import { Email, Username } from "@joy/domain/User"
import * as Prompt from "effect/cli/Prompt"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Stdio from "effect/Stdio"
import * as Stream from "effect/Stream"

import { Configuration } from "../config/Configuration.ts"
import * as AuthLayer from "../layers/AuthLayer.ts"
import * as DatabaseLayer from "../layers/DatabaseLayer.ts"
import * as LogLayer from "../layers/LogLayer.ts"
import * as Migrations from "../Migrations.ts"

/** What was typed can't be a name, an address or a password. */
class BadInput extends Schema.TaggedError<BadInput>()("BadInput", { what: Schema.String }) {
  override get message() {
    return this.what
  }
}

const parse = <S extends Schema.Codec<unknown, string>>(schema: S, text: string, what: string) =>
  Effect.mapError(Schema.decodeEffect(schema)(text), () => new BadInput({ what }))

/** The first line of standard input, or what is typed at a prompt, twice. */
const password = Effect.fnUntraced(function* (fromStdin: boolean) {
  if (!fromStdin) {
    const first = yield* Prompt.run(Prompt.Password({ message: "Password" }))
    const second = yield* Prompt.run(Prompt.Password({ message: "Once more" }))
    if (Redacted.value(first) !== Redacted.value(second)) {
      return yield* new BadInput({ what: "The two passwords are not the same." })
    }
    return first
  }
  const stdio = yield* Stdio.Stdio
  const text = yield* stdio.stdin.pipe(Stream.decodeText(), Stream.take(1024), Stream.mkString)
  const [line = ""] = text.split(/\r?\n/, 1)
  if (line === "") return yield* new BadInput({ what: "Standard input holds no password." })
  return Redacted.make(line)
})

const tool = AuthLayer.layerTool.pipe(
  Layer.provide(Layer.effectDiscard(Migrations.requireCurrent)),
  Layer.provideMerge(DatabaseLayer.found),
  Layer.provide(LogLayer.layer),
  Layer.provideMerge(Configuration.layer)
)

export const create = Effect.fn("joy admin create")(function* (flags: {
  readonly username: string
  readonly email: string
  readonly passwordStdin: boolean
}) {
  const username = yield* parse(Username, flags.username, `${JSON.stringify(flags.username)} can't be a username.`)
  const email = yield* parse(Email, flags.email, `${JSON.stringify(flags.email)} is no e-mail address.`)
  const secret = yield* password(flags.passwordStdin)
  const accounts = yield* Accounts
  yield* accounts.createAdmin({ username, email, password: secret })
  yield* Console.log(`Made the administrator ${username}.`)
}, Effect.provide(tool))

export const resetPassword = Effect.fn("joy admin reset-password")(function* (flags: {
  readonly username: string
  readonly passwordStdin: boolean
}) {
  const secret = yield* password(flags.passwordStdin)
  const accounts = yield* Accounts
  yield* accounts.resetPassword(flags.username, secret)
  yield* Console.log(`${flags.username} has a new password; every session of the account has ended.`)
}, Effect.provide(tool))

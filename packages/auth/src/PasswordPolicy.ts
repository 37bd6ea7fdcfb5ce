import { WeakPassword } from "@joy/domain/User"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Counted in characters (code points) after NFC normalisation. */
export const minLength = 8
export const maxLength = 256

/** How many of the most common passwords that are long enough are refused (OWASP ASVS 5.0, 6.2.4 asks for 3,000). */
const commonCount = 10_000

/** One form for all ways to type a password: keyboards differ in how they compose characters. */
export const normalize = (password: string): string => password.normalize("NFC")

// Half a megabyte that only those need who choose passwords.
const loadCommon = Effect.promise(() => import("@zxcvbn-ts/language-common")).pipe(
  Effect.map(
    ({ dictionary }) =>
      new Set(
        dictionary["passwords-common"].filter((password) => [...password].length >= minLength).slice(0, commonCount)
      )
  )
)

export class PasswordPolicy extends Context.Service<
  PasswordPolicy,
  {
    /** Fails unless the password is of an allowed length and none of the 10,000 most common ones, in any case. */
    readonly check: (password: Redacted.Redacted) => Effect.Effect<void, WeakPassword>
  }
>()("@joy/auth/PasswordPolicy") {
  static readonly layer: Layer.Layer<PasswordPolicy> = Layer.effect(
    PasswordPolicy,
    Effect.gen(function* () {
      const common = yield* Effect.cached(loadCommon)

      const check = Effect.fn("PasswordPolicy.check")(function* (password: Redacted.Redacted) {
        const text = normalize(Redacted.value(password))
        const length = [...text].length
        if (length < minLength || length > maxLength) {
          return yield* new WeakPassword({ detail: `A password has ${minLength} to ${maxLength} characters` })
        }
        if ((yield* common).has(text.toLowerCase())) {
          return yield* new WeakPassword({ detail: "This password is one of the most common ones" })
        }
      })
      return PasswordPolicy.of({ check })
    })
  )
}

import { isIP } from "node:net"

import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"

/**
 * One environment variable: how it is read and what may stand in it. Unlike a plain `Config`, a bad value does not end
 * the reading: every variable is looked at, and all problems are told at once.
 */
export interface Variable<A> {
  readonly name: string
  readonly parse: (text: string) => A | Rejected
  /** The value when the variable is absent or empty. */
  readonly fallback: A
}

/** Says what is allowed, in words that finish the sentence "expected …". */
export class Rejected {
  readonly expected: string
  constructor(expected: string) {
    this.expected = expected
  }
}

export interface Problem {
  readonly name: string
  readonly found: string
  readonly expected: string
}

const isSecret = (name: string) => /SECRET|PRIVATE|PASSWORD|_KEY$|DATABASE_URL|REDIS_URL/.test(name)

/** Reads a variable; a bad value is added to `problems` and the fallback stands in for it meanwhile. */
export const read = <A>(variable: Variable<A>, problems: Array<Problem>): Effect.Effect<A> =>
  Config.String(variable.name).pipe(
    Config.option,
    Effect.orElseSucceed(() => Option.none<string>()),
    Effect.map((found) => {
      const text = Option.getOrElse(found, () => "").trim()
      if (text === "") return variable.fallback
      const parsed = variable.parse(text)
      if (!(parsed instanceof Rejected)) return parsed
      problems.push({
        name: variable.name,
        found: isSecret(variable.name) ? "a value that is not shown" : JSON.stringify(text),
        expected: parsed.expected
      })
      return variable.fallback
    })
  )

export const variable =
  <A>(parse: (text: string) => A | Rejected) =>
  <F extends A | null>(name: string, fallback: F): Variable<A | F> => ({ name, parse, fallback })

export const text = variable((value) => value)

/** What somebody could guess is refused. */
export const secret = (shortest: number) =>
  variable((value) =>
    value.length >= shortest && new Set(value).size > 4
      ? Redacted.make(value)
      : new Rejected(`a secret of ${shortest} random characters or more`)
  )

/** The beginning of a URL's path. */
export const path = variable((value) =>
  /^(\/[\w.~-]+)+\/?$/.test(value) ? value : new Rejected("a path such as /library")
)

export const integer = (minimum: number, maximum: number) =>
  variable((value) => {
    const number = Number(value)
    return /^\d+$/.test(value) && number >= minimum && number <= maximum
      ? number
      : new Rejected(`a whole number from ${minimum} to ${maximum}`)
  })

export const port = integer(0, 65_535)

export const oneOf = <const Value extends string>(...values: ReadonlyArray<Value>) =>
  variable((value): Value | Rejected => {
    const known = values.find((candidate) => candidate === value.toLowerCase())
    return known ?? new Rejected(values.map((candidate) => JSON.stringify(candidate)).join(" or "))
  })

const on = new Set(["1", "true", "on", "yes"])
const off = new Set(["0", "false", "off", "no"])

export const isOn = (value: string): boolean | Rejected => {
  const lower = value.toLowerCase()
  return on.has(lower) ? true : off.has(lower) ? false : new Rejected('"on" or "off"')
}

export const flag = variable(isOn)

const unitMillis: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A length of time in milliseconds, written `500ms`, `10s`, `15m`, `12h`, `30d`. */
export const millisOf = (value: string): number | Rejected => {
  const [, amount, unit] = /^(\d{1,9})(ms|s|m|h|d)$/.exec(value) ?? []
  return amount === undefined || unit === undefined
    ? new Rejected("a length of time such as 500ms, 10s, 15m, 12h or 30d")
    : Number(amount) * (unitMillis[unit] ?? 0)
}

export const duration = variable(millisOf)

/** Parts separated by commas; empty ones don't count. */
export const partsOf = (value: string): ReadonlyArray<string> =>
  value
    .split(",")
    .map((part) => part.trim())
    .filter((part) => part !== "")

export const list = variable(partsOf)

const isNetwork = (part: string) => {
  const [address = "", bits, ...rest] = part.split("/")
  const version = isIP(address)
  if (version === 0 || rest.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** Networks in CIDR notation (RFC 4632), or single addresses, by commas. */
export const networks = variable((value) => {
  const parts = partsOf(value)
  return parts.every(isNetwork) ? parts : new Rejected("networks such as 10.0.0.0/8 or fd00::/8, by commas")
})

export const url = (...protocols: ReadonlyArray<string>) =>
  variable((value) => {
    const parsed = URL.parse(value)
    return parsed !== null && protocols.includes(parsed.protocol)
      ? value
      : new Rejected(`a URL that begins with ${protocols.map((protocol) => `${protocol}//`).join(" or ")}`)
  })

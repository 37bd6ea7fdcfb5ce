import { defaultRules, type RuleName, type Rules } from "@joy/auth/RateLimitRules"
import * as Duration from "effect/Duration"

import * as Variable from "./Variable.ts"

const isRule = (name: string): name is RuleName => Object.hasOwn(defaultRules, name)

const expected = new Variable.Rejected(
  `"on", "off", or limits such as login-here=5/1m (up to 1000000, in 1s to 30d), by commas and each once, of ${Object.keys(defaultRules).join(", ")}`
)

/** `on`, `off`, or rules that are different here: `login-account=20/15m,register=30/1m`. */
export const rateLimits = Variable.variable((value): Rules | "off" | Variable.Rejected => {
  const all = Variable.isOn(value)
  if (typeof all === "boolean") return all ? defaultRules : "off"
  const changed = new Map<RuleName, Rules[RuleName]>()
  for (const part of Variable.partsOf(value)) {
    const [, name = "", limit, window = ""] = /^([\w-]+)=(\d{1,7})\/(\w+)$/.exec(part) ?? []
    const millis = Variable.millisOf(window)
    const inRange = Number(limit) >= 1 && Number(limit) <= 1_000_000
    if (!isRule(name) || changed.has(name) || !inRange) return expected
    if (typeof millis !== "number" || millis < 1000 || millis > 30 * 86_400_000) return expected
    changed.set(name, { limit: Number(limit), window: Duration.millis(millis) })
  }
  return { ...defaultRules, ...Object.fromEntries(changed) }
})

/**
 * Whether the time of a refused sign-in tells if there is such an account: it must not.
 *
 * Every kind of refusal is asked for by the same client in turns; each is held against a wrong password of an account
 * that is there, and that against itself. More than four standard deviations from even, in so many samples, is a leak.
 */
import { separation, interleaved } from "@joy/testing/Timing"

import { median } from "../lib/Figures.ts"
import { withFolder } from "../lib/Folder.ts"
import { expect } from "../lib/Http.ts"
import * as Joy from "../lib/Joy.ts"

const samples = Number(process.argv[2] ?? 300)
const password = "a tolerable phrase 42"

/** Counted as ever, with room for all. */
const limits = ["here", "here-long", "network", "network-long", "account", "account-long"]
  .map((name) => `login-${name}=1000000/1s`)
  .join(",")

const refusals = {
  "wrong password": ["there", "not this one"],
  "wrong password again": ["there", "not this one"],
  "wrong password, by address": ["there@example.org", "not this one"],
  "unknown name": ["nobody-at-all", "not this one"],
  "unknown address": ["nobody@example.org", "not this one"],
  "disabled account": ["disabled", "not this one"],
  "disabled account, right password": ["disabled", password]
} as const
const kinds = Object.keys(refusals).filter((name): name is keyof typeof refusals => name in refusals)
const against = "wrong password"

await withFolder(async (folder) => {
  const joy = await Joy.start("source", "up", folder, { RATE_LIMITS: limits, INGEST_INTERVAL: "1h" })
  try {
    const admin = await Joy.signIn(joy, await Joy.passwordOf(joy))
    const there = { username: "there", email: "there@example.org", password }
    await expect(201, joy.url, "POST", "/auth/register", { body: there })
    const body = { username: "disabled", email: "disabled@example.org", password }
    const { user } = await expect(201, joy.url, "POST", "/auth/register", { body })
    const disabled = await fetch(`${joy.url}/users/${user.id}`, {
      method: "PATCH",
      headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
      body: JSON.stringify({ disabled: true })
    })
    if (disabled.status !== 200) throw new Error(`Disabling was answered with ${disabled.status}`)

    const ask = async (kind: keyof typeof refusals) => {
      const [identifier, secret] = refusals[kind]
      await expect(401, joy.url, "POST", "/auth/login", { body: { identifier, password: secret } })
    }
    await interleaved(kinds, 5, ask)
    const times = await interleaved(kinds, samples, ask)

    const reference = times.get(against) ?? []
    let leaks = 0
    console.log(`\n${samples} refused sign-ins of each kind\n`)
    for (const [kind, taken] of times) {
      const { deviations, share } = separation(taken, reference)
      const isLeak = kind !== against && Math.abs(deviations) > 4
      if (isLeak) leaks += 1
      console.log(
        `  ${kind.padEnd(34)} median ${median(taken).toFixed(2)} ms` +
          (kind === against ? "" : `, longer in ${(share * 100).toFixed(1)} % of pairs (${deviations.toFixed(1)} sd)`) +
          (isLeak ? "  LEAKS" : "")
      )
    }
    console.log(leaks === 0 ? "\nThe time tells nothing." : `\n${leaks} kinds can be told apart.`)
    process.exitCode = leaks === 0 ? 0 : 1
  } finally {
    await joy.stop()
  }
})

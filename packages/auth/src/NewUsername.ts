import { randomInt } from "node:crypto"

import { Username } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import * as AccountKeys from "./AccountKeys.ts"
import type { ProvenIdentity } from "./ProvenIdentity.ts"

const decode = Schema.decodeUnknownOption(Username)

/** Apple's addresses for who hides theirs: what stands before the `@` is nobody's name. */
const isRelay = (email: string) => /@privaterelay\.appleid\.com$/i.test(email)

/** Leaves room for the number: in UTF-16, which the bound of usernames counts, a character has two units at most. */
const longest = 28

/** What somebody may want to be called, out of what a provider says of them. */
const wanted = ({ email, name }: ProvenIdentity) => {
  const known = email !== null && !isRelay(email) ? email.slice(0, email.lastIndexOf("@")) : name
  const letters = [...(known ?? "").replace(/[\p{C}@]/gu, "")].slice(0, longest).join("")
  return Option.getOrElse(decode(letters), () => Username.make("user"))
}

/**
 * Makes usernames for those who never chose one. Two at once may be given the same: the database refuses the second, who
 * asks again.
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient

  const isTaken = (username: Username) =>
    Effect.map(sql`SELECT 1 FROM users WHERE username_key = ${AccountKeys.fold(username)}`, (rows) => rows.length > 0)

  return Effect.fnUntraced(function* (proven: ProvenIdentity) {
    const name = wanted(proven)
    let username = name
    while (yield* isTaken(username)) username = Username.make(`${name}-${randomInt(1000, 1_000_000)}`)
    return username
  })
})

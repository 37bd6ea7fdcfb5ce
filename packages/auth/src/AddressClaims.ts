import { UserId } from "@joy/domain/Ids"
import type { RequestFacts } from "@joy/domain/RequestFacts"
import type { Email } from "@joy/domain/User"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

import * as AccountKeys from "./AccountKeys.ts"
import { AuditLog } from "./AuditLog.ts"
import type { ProvenIdentity } from "./ProvenIdentity.ts"

/** The address that an identity proves; none where the provider does not say that it is theirs. */
export const provenAddress = ({ email, emailVerified }: ProvenIdentity): Email | null => (emailVerified ? email : null)

const Holder = Schema.Struct({ id: UserId, emailVerified: Schema.Boolean })

/**
 * An e-mail address belongs to who proves it, and a provider's word is the only proof there is. An account that has an
 * address and never proved it loses it to who does. It keeps its username and password, and gets no part in the account
 * that took it.
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const audit = yield* AuditLog

  const find = SqlSchema.findOneOption({
    Request: Schema.String,
    Result: Holder,
    execute: (key) => sql`SELECT id, email_verified FROM users WHERE email_key = ${key} FOR NO KEY UPDATE`
  })

  const takeFrom = Effect.fnUntraced(function* (holder: typeof Holder.Type, facts: RequestFacts) {
    yield* sql`
      UPDATE users SET email = NULL, email_key = NULL, email_verified = false, updated_at = now() WHERE id = ${holder.id}`
    // Its owner reads there why the address is gone: there is nowhere to write to.
    yield* audit.append({ action: "account.address-taken", subjectId: holder.id, facts })
  })

  /** The account that has the address; it stays as it is until the transaction ends. */
  const holderOf = (email: Email) => find(AccountKeys.fold(email))

  const give = Effect.fnUntraced(function* (userId: UserId, email: Email, facts: RequestFacts) {
    const holder = yield* holderOf(email)
    if (Option.isSome(holder)) {
      if (holder.value.emailVerified) return
      yield* takeFrom(holder.value, facts)
    }
    yield* sql`
      UPDATE users SET email = ${email}, email_key = ${AccountKeys.fold(email)}, email_verified = true, updated_at = now()
      WHERE id = ${userId}`
  })

  return {
    holderOf,
    /** The holder never proved the address, and has it no more. */
    takeFrom,
    /** Gives the address to an account that has none, unless another one has proven it. */
    give,
    /** If it is the address that the account has, it is verified from now on. */
    confirm: (userId: UserId, email: Email) => sql`
      UPDATE users SET email_verified = true, updated_at = now()
      WHERE id = ${userId} AND email_key = ${AccountKeys.fold(email)} AND NOT email_verified`
  }
})

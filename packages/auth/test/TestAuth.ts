import * as OwnedItems from "@joy/catalog/OwnedItems"
import { CurrentPrincipal } from "@joy/domain/CurrentPrincipal"
import { ApiKeyId, SessionId, UserId } from "@joy/domain/Ids"
import type { Permission } from "@joy/domain/Permission"
import { Email, Username } from "@joy/domain/User"
import * as EventLog from "@joy/server/EventLog"
import * as TestDatabase from "@joy/testing/TestDatabase"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { AccessTokens } from "../src/AccessTokens.ts"
import { AccountChanges } from "../src/AccountChanges.ts"
import { Accounts } from "../src/Accounts.ts"
import { ApiKeyPrincipals } from "../src/ApiKeyPrincipals.ts"
import { ApiKeys } from "../src/ApiKeys.ts"
import { AuditLog } from "../src/AuditLog.ts"
import { AuditTrail } from "../src/AuditTrail.ts"
import { AuthConfig, type AuthOptions } from "../src/AuthConfig.ts"
import { Denials } from "../src/Denials.ts"
import * as KeyFile from "../src/KeyFile.ts"
import { Keys } from "../src/Keys.ts"
import * as KeySigner from "../src/KeySigner.ts"
import { PasswordHasher } from "../src/PasswordHasher.ts"
import { PasswordPolicy } from "../src/PasswordPolicy.ts"
import { Principals } from "../src/Principals.ts"
import { RateLimits } from "../src/RateLimits.ts"
import { none } from "../src/RequestFacts.ts"
import { Revocations } from "../src/Revocations.ts"
import { Roles } from "../src/Roles.ts"
import { SessionIndex } from "../src/SessionIndex.ts"
import { Sessions } from "../src/Sessions.ts"
import { SessionUse } from "../src/SessionUse.ts"

/** A process's worth of this context over a database, keys and options that others may share. */
const services = Layer.mergeAll(
  Accounts.layerNoDeps,
  AccountChanges.layerNoDeps,
  ApiKeys.layerNoDeps,
  ApiKeyPrincipals.layerNoDeps,
  AuditTrail.layerNoDeps,
  Roles.layerNoDeps,
  Principals.layerNoDeps,
  AccessTokens.layer
).pipe(
  Layer.provideMerge(Layer.merge(Sessions.layerNoDeps, Denials.layer)),
  Layer.provideMerge(Layer.mergeAll(Revocations.layer, SessionUse.layer, RateLimits.layerMemory)),
  Layer.provide(OwnedItems.layerUserDeletion.pipe(Layer.provideMerge(EventLog.layer))),
  Layer.provideMerge(Layer.mergeAll(AuditLog.layer, PasswordHasher.layer, PasswordPolicy.layer, KeySigner.layer))
)

export const keys = Layer.unwrap(
  Effect.map(Effect.flatMap(DateTime.now, KeyFile.generate), (file) => Keys.layerKeyFile(file))
)

/** What processes share. */
export const world = (options: Partial<AuthOptions> = {}) =>
  Layer.mergeAll(TestDatabase.layerWith({ maxConnections: 12 }), keys, AuthConfig.layer(options))

/** One process with its sessions in memory. */
export const processMemory = services.pipe(Layer.provideMerge(SessionIndex.layerMemory))

/** One process with the given index. */
export const processWith = <R>(index: Layer.Layer<SessionIndex, never, R>) => services.pipe(Layer.provideMerge(index))

/** A command that runs once beside the processes. */
export const command = Sessions.layerNoDeps.pipe(
  Layer.provide(Layer.mergeAll(AuditLog.layer, KeySigner.layer, Revocations.layerAnnounceOnly)),
  Layer.provide(SessionIndex.layerNone)
)

/** A process and its world. */
export const layer = (options: Partial<AuthOptions> = {}) => processMemory.pipe(Layer.provideMerge(world(options)))

export const password = Redacted.make("sunny-otter-bicycle-42")

let serial = 0
/** A username and an address that no other test has. */
export const fresh = (name = "tashi") => {
  const text = `${name}${++serial}${SecureRandom.uuidV7Unsafe().slice(-8)}`
  return { username: Username.make(text), email: Email.make(`${text}@example.org`), password }
}

/** An account, without the cost of its hash. */
export const newUser = Effect.fnUntraced(function* (role?: string) {
  const sql = yield* SqlClient.SqlClient
  const { email, username } = fresh()
  const id = UserId.make(SecureRandom.uuidV7Unsafe())
  yield* Effect.orDie(sql`
    INSERT INTO users (id, username, username_key, email, email_key)
    VALUES (${id}, ${username}, ${username}, ${email}, ${email})`)
  yield* Effect.orDie(sql`
    INSERT INTO user_roles (user_id, role_id) SELECT ${id}::uuid, id FROM roles WHERE name = ${role ?? "viewer"}`)
  return { id, username, email }
})

/** A session of a new account. */
export const newSession = Effect.fnUntraced(function* (role?: string) {
  const { id } = yield* newUser(role)
  return yield* (yield* Sessions).open({ userId: id, ...none })
})

export const as =
  (who: { readonly userId: UserId; readonly sessionId?: SessionId }, ...permissions: ReadonlyArray<Permission>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, CurrentPrincipal, {
      userId: who.userId,
      credential: { kind: "session", sessionId: who.sessionId ?? SessionId.make(SecureRandom.uuidV7Unsafe()) },
      permissions: new Set(permissions)
    })

/** As `as`, by an API key of the user. */
export const asKey =
  (userId: UserId, ...permissions: ReadonlyArray<Permission>) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.provideService(effect, CurrentPrincipal, {
      userId,
      credential: { kind: "apiKey", apiKeyId: ApiKeyId.make(SecureRandom.uuidV7Unsafe()) },
      permissions: new Set(permissions)
    })

/** The tag of the error, or `made`. */
export const tag = <R>(effect: Effect.Effect<unknown, { readonly _tag: string }, R>) =>
  Effect.match(effect, { onFailure: (error) => error._tag, onSuccess: () => "made" })

/** A pause in real time, whatever clock the test has. */
export const pause = (millis: number) =>
  Effect.callback<void>((resume) => {
    setTimeout(() => resume(Effect.void), millis)
  })

/** Waits, in real time, until something holds. */
export const eventually = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
  condition.pipe(
    Effect.tap(() => pause(5)),
    Effect.repeat({ until: (holds) => holds, times: 2000 }),
    Effect.flatMap((holds) => (holds ? Effect.void : Effect.die("What was waited for did not come")))
  )

/** The actions in the audit log that speak of a user, in order. */
export const audited = Effect.fnUntraced(function* (userId: UserId) {
  const sql = yield* SqlClient.SqlClient
  const rows = yield* sql<{ readonly action: string }>`
    SELECT action FROM audit_log WHERE subject_id = ${userId} ORDER BY id`
  return rows.map(({ action }) => action)
}, Effect.orDie)

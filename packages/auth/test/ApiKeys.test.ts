import { createHash } from "node:crypto"

import { assert, describe, layer } from "@effect/vitest"
import type { UserId } from "@joy/domain/Ids"
import type { Permission } from "@joy/domain/Permission"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"

import { ApiKeyPrincipals } from "../src/ApiKeyPrincipals.ts"
import { ApiKeys } from "../src/ApiKeys.ts"
import { none } from "../src/RequestFacts.ts"
import { as, asKey, audited, layer as testLayer, newUser, tag } from "./TestAuth.ts"

const create = (userId: UserId, permissions: ReadonlyArray<Permission> = ["media:read"], expiresAt?: string) =>
  Effect.flatMap(ApiKeys, (keys) =>
    keys
      .create(
        { name: "a key", permissions, ...(expiresAt === undefined ? {} : { expiresAt: Timestamp.make(expiresAt) }) },
        none
      )
      .pipe(as({ userId }, "media:read", "media:write"))
  )
const principalOf = (key: string | Redacted.Redacted) =>
  Effect.flatMap(ApiKeyPrincipals, (principals) =>
    principals.principalOf(typeof key === "string" ? key : Redacted.value(key), none)
  )

describe("ApiKeys", () => {
  layer(testLayer())((it) => {
    it.effect("stand for their owner, with what they were made for [T11]", () =>
      Effect.gen(function* () {
        const { id } = yield* newUser("curator")
        const { key, ...made } = yield* create(id, ["media:read", "media:read"])
        assert.match(Redacted.value(key), /^joy_[\w-]{43}$/)
        assert.deepInclude(made, { name: "a key", permissions: ["media:read"], expiresAt: null })
        assert.deepStrictEqual(yield* principalOf(key), {
          userId: id,
          credential: { kind: "apiKey", apiKeyId: made.id },
          permissions: new Set<Permission>(["media:read"])
        })
        assert.include(yield* audited(id), "api-key.created")
      })
    )

    it.effect("are kept as a hash alone, and never shown again [T11]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser()
        const { key } = yield* create(id)
        const stored = JSON.stringify(yield* sql`SELECT k::text FROM api_keys k WHERE user_id = ${id}`)
        const log = JSON.stringify(yield* sql`SELECT a::text FROM audit_log a WHERE subject_id = ${id}`)
        const page = JSON.stringify(yield* (yield* ApiKeys).list({}).pipe(as({ userId: id })))
        for (const text of [stored, log, page]) assert.notInclude(text, Redacted.value(key).slice(4))
        assert.include(stored, createHash("sha256").update(Redacted.value(key)).digest("hex"))
      })
    )

    it.effect("never do more than their owner may at that moment [T11]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser("curator")
        assert.strictEqual(yield* tag(create(id, ["users:write"])), "Forbidden")
        const { key } = yield* create(id, ["media:read", "media:write"])
        const permissions = Effect.map(principalOf(key), (principal) => [...principal.permissions])
        assert.deepStrictEqual(yield* permissions, ["media:read", "media:write"])
        const roles = (name: string) =>
          sql`UPDATE user_roles SET role_id = (SELECT id FROM roles WHERE name = ${name}) WHERE user_id = ${id}`
        yield* roles("viewer")
        assert.deepStrictEqual(yield* permissions, ["media:read"])
        yield* roles("admin")
        assert.deepStrictEqual(yield* permissions, ["media:read", "media:write"])
        yield* sql`DELETE FROM user_roles WHERE user_id = ${id}`
        assert.deepStrictEqual(yield* permissions, [])
      })
    )

    it.effect("die with their time, their revocation, and their owner [T11]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { revoke } = yield* ApiKeys
        const [owner, other] = [yield* newUser(), yield* newUser()]
        assert.strictEqual(yield* tag(create(owner.id, [], "2020-01-01T00:00:00Z")), "InvalidRequest")
        const limited = yield* create(owner.id, [], "2999-01-01T00:00:00.000Z")
        assert.strictEqual(limited.expiresAt?.slice(0, 19), "2999-01-01T00:00:00")
        yield* principalOf(limited.key)
        yield* sql`UPDATE api_keys SET expires_at = now() WHERE id = ${limited.id}`
        assert.strictEqual(yield* tag(principalOf(limited.key)), "Unauthenticated")

        const revoked = yield* create(owner.id)
        assert.strictEqual(yield* tag(revoke(revoked.id, none).pipe(as({ userId: other.id }))), "ApiKeyNotFound")
        yield* principalOf(revoked.key)
        yield* revoke(revoked.id, none).pipe(as({ userId: owner.id }))
        assert.strictEqual(yield* tag(principalOf(revoked.key)), "Unauthenticated")
        assert.strictEqual(yield* tag(revoke(revoked.id, none).pipe(as({ userId: owner.id }))), "ApiKeyNotFound")
        assert.include(yield* audited(owner.id), "api-key.revoked")

        const { key } = yield* create(owner.id)
        yield* sql`UPDATE users SET disabled_at = now() WHERE id = ${owner.id}`
        assert.strictEqual(yield* tag(principalOf(key)), "Unauthenticated")
        yield* sql`UPDATE users SET disabled_at = NULL WHERE id = ${owner.id}`
        yield* principalOf(key)
        yield* sql`DELETE FROM users WHERE id = ${owner.id}`
        assert.strictEqual(yield* tag(principalOf(key)), "Unauthenticated")
      })
    )

    it.effect("leave an entry when they are used after their end, and a flood leaves few [L9, L11]", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser()
        const { id: keyId, key } = yield* create(id)
        yield* (yield* ApiKeys).revoke(keyId, none).pipe(as({ userId: id }))
        for (let n = 0; n < 100; n++) yield* tag(principalOf(key))
        const rows = yield* sql<{ readonly actorId: string; readonly detail: Record<string, unknown> }>`
          SELECT actor_id, detail FROM audit_log WHERE action = 'api-key.refused' AND actor_id = ${id} ORDER BY id`
        assert.strictEqual(rows.length, 30)
        assert.deepStrictEqual(rows[0]?.detail, { reason: "revoked", apiKeyId: keyId })
        assert.deepStrictEqual(rows.at(-1)?.detail, { reason: "revoked", apiKeyId: keyId, othersLeftOut: true })
        // What was made up has no entry.
        const count = sql`SELECT 1 FROM audit_log WHERE action = 'api-key.refused'`
        const before = yield* count
        yield* tag(principalOf(`joy_${"A".repeat(43)}`))
        assert.strictEqual((yield* count).length, before.length)
      })
    )

    it.effect("are unknown in any other form [T9]", () =>
      Effect.gen(function* () {
        const { key } = yield* create((yield* newUser()).id)
        const text = Redacted.value(key)
        for (const bad of [
          "joy_",
          text.slice(0, -1),
          `${text}A`,
          text.replace("joy_", "JOY_"),
          `${text}\n`,
          "joy_é\0"
        ]) {
          assert.strictEqual(yield* tag(principalOf(bad)), "Unauthenticated", bad)
        }
      })
    )

    it.effect("are written down as used, once a minute at most", () =>
      Effect.gen(function* () {
        const sql = yield* SqlClient.SqlClient
        const { id } = yield* newUser()
        const made = yield* create(id)
        const used = Effect.map(
          (yield* ApiKeys).list({}).pipe(as({ userId: id })),
          ({ items }) => items[0]?.lastUsedAt ?? null
        )
        assert.isNull(yield* used)
        yield* Effect.all([principalOf(made.key), principalOf(made.key), principalOf(made.key)], { concurrency: 3 })
        const first = yield* used
        assert.isNotNull(first)
        yield* principalOf(made.key)
        assert.strictEqual(yield* used, first)
        yield* sql`UPDATE api_keys SET last_used_at = now() - interval '61 seconds' WHERE id = ${made.id}`
        yield* principalOf(made.key)
        assert.isTrue(((yield* used) ?? "") > (first ?? ""))
      })
    )

    it.effect("are listed to their owner in pages, and managed by sessions alone [T12]", () =>
      Effect.gen(function* () {
        const { create, list, revoke } = yield* ApiKeys
        const { id } = yield* newUser()
        const me = as({ userId: id }, "media:read")
        const make = create({ name: "k", permissions: ["media:read"] }, none)
        const made = yield* Effect.replicateEffect(make.pipe(me), 3)
        const first = yield* list({ limit: 2 }).pipe(me)
        const second = yield* list({ limit: 2, cursor: first.nextCursor ?? assert.fail() }).pipe(me)
        assert.deepStrictEqual(
          [...first.items, ...second.items].map(({ id }) => id),
          made.map(({ id }) => id).toReversed()
        )
        assert.strictEqual((yield* list({}).pipe(as({ userId: (yield* newUser()).id }))).items.length, 0)
        const byKey = asKey(id, "media:read")
        const [one] = made
        const results = [
          yield* tag(byKey(make)),
          yield* tag(byKey(list({}))),
          yield* tag(byKey(revoke(one?.id ?? assert.fail(), none)))
        ]
        assert.deepStrictEqual(results, ["Forbidden", "Forbidden", "Forbidden"])
      })
    )
  })
})

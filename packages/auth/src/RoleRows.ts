import { RoleId, UserId } from "@joy/domain/Ids"
import { expand, GrantedPermission, type Permission } from "@joy/domain/Permission"
import type { Role } from "@joy/domain/Role"
import { Timestamp } from "@joy/domain/Timestamp"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlSchema from "effect/sql/SqlSchema"

const isGranted = Schema.is(GrantedPermission)

/** What roles give in this version: `*` written out, and without what only a later version knows. */
export const known = (granted: ReadonlyArray<string>): ReadonlySet<Permission> => expand(granted.filter(isGranted))

const Row = Schema.Struct({
  id: RoleId,
  name: Schema.String,
  permissions: Schema.Array(Schema.String),
  builtIn: Schema.Boolean,
  createdAt: Timestamp,
  updatedAt: Timestamp
})

const roleOf = (row: typeof Row.Type): Role => ({ ...row, permissions: [...known(row.permissions)] })

/** Where a page of roles ends. */
export const Position = Schema.Tuple([Schema.String, RoleId])

/** The statements of `Roles`. */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  const columns = sql`id, name, permissions, built_in, created_at, updated_at`

  const findPage = SqlSchema.findAll({
    Request: Schema.Struct({ after: Schema.NullOr(Position), limit: Schema.Int }),
    Result: Row,
    execute: ({ after, limit }) => sql`
      SELECT ${columns} FROM roles
      WHERE ${after === null ? sql`TRUE` : sql`(name COLLATE "C", id) > (${after[0]}::text COLLATE "C", ${after[1]}::uuid)`}
      ORDER BY name COLLATE "C", id LIMIT ${limit}::int`
  })

  const find = SqlSchema.findOneOption({
    Request: RoleId,
    Result: Row,
    execute: (id) => sql`SELECT ${columns} FROM roles WHERE id = ${id}`
  })

  const save = SqlSchema.findOne({
    Request: Schema.Struct({ id: RoleId, name: Schema.String, permissions: Schema.Array(Schema.String) }),
    Result: Row,
    execute: ({ id, name, permissions }) => sql`
      INSERT INTO roles (id, name, permissions) VALUES (${id}, ${name}, ${permissions}::text[])
      ON CONFLICT (id) DO UPDATE SET name = excluded.name, permissions = excluded.permissions, updated_at = now()
      RETURNING ${columns}`
  })

  /** Whether another role has a name that differs in nothing but case. */
  const isTaken = (name: string, id: RoleId) =>
    Effect.map(
      sql`SELECT 1 FROM roles WHERE lower(name) = lower(${name}) AND id <> ${id} LIMIT 1`,
      (rows) => rows.length > 0
    )

  const holders = SqlSchema.findAll({
    Request: RoleId,
    Result: Schema.Struct({ userId: UserId }),
    execute: (id) => sql`SELECT user_id FROM user_roles WHERE role_id = ${id}`
  })

  const held = SqlSchema.findAll({
    Request: UserId,
    Result: Schema.Struct({ permission: Schema.String }),
    execute: (id) => sql`
      SELECT DISTINCT p.permission
      FROM user_roles ur JOIN roles r ON r.id = ur.role_id JOIN users u ON u.id = ur.user_id
        CROSS JOIN unnest(r.permissions) AS p (permission)
      WHERE ur.user_id = ${id} AND u.disabled_at IS NULL`
  })

  return {
    page: (request: Parameters<typeof findPage>[0]) => Effect.map(findPage(request), (rows) => rows.map(roleOf)),
    byId: (id: RoleId) => Effect.map(find(id), Option.map(roleOf)),
    save: (request: Parameters<typeof save>[0]) => Effect.map(save(request), roleOf),
    isTaken,
    /** Who has the role. */
    holders: (id: RoleId) => Effect.map(holders(id), (rows) => rows.map(({ userId }) => userId)),
    /** What the roles of a user give at this moment. */
    heldBy: (id: UserId) => Effect.map(held(id), (rows) => known(rows.map(({ permission }) => permission))),
    /** False for a role that somebody has. */
    remove: (id: RoleId) =>
      Effect.map(
        sql`DELETE FROM roles WHERE id = ${id} AND NOT EXISTS (SELECT 1 FROM user_roles WHERE role_id = ${id}) RETURNING id`,
        (rows) => rows.length > 0
      ),
    /** Gives a user exactly the roles of these names. */
    assign: Effect.fnUntraced(function* (userId: UserId, names: ReadonlyArray<string>) {
      yield* sql`
        DELETE FROM user_roles ur USING roles r
        WHERE r.id = ur.role_id AND ur.user_id = ${userId} AND NOT r.name = ANY(${names}::text[])`
      yield* sql`
        INSERT INTO user_roles (user_id, role_id)
        SELECT ${userId}::uuid, id FROM roles WHERE name = ANY(${names}::text[])
        ON CONFLICT DO NOTHING`
      yield* sql`UPDATE users SET updated_at = now() WHERE id = ${userId}`
    })
  }
})

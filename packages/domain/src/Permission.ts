import * as Schema from "effect/Schema"

/** What a principal may do. Roles and API keys are sets of these. */
export const Permission = Schema.Literals([
  "media:read",
  "media:write",
  "media:refresh",
  "users:read",
  "users:write",
  "roles:read",
  "roles:write",
  "sessions:read",
  "sessions:write",
  "audit:read"
]).annotate({ identifier: "Permission" })
export type Permission = typeof Permission.Type

export const allPermissions: ReadonlyArray<Permission> = Permission.literals

/** A role's permissions as the database keeps them: `*` stands for every permission, those of later versions too. */
export const GrantedPermission = Schema.Union([Permission, Schema.Literal("*")])
export type GrantedPermission = typeof GrantedPermission.Type

/** Writes `*` out. */
export const expand = (granted: ReadonlyArray<GrantedPermission>): ReadonlySet<Permission> => {
  const permissions = new Set<Permission>()
  for (const permission of granted) {
    if (permission === "*") return new Set(allPermissions)
    permissions.add(permission)
  }
  return permissions
}

/** The roles that the first migration makes. A new account is a `viewer`. */
export const builtInRoles = {
  admin: ["*"],
  curator: ["media:read", "media:write", "media:refresh"],
  viewer: ["media:read"]
} as const satisfies Record<string, ReadonlyArray<GrantedPermission>>

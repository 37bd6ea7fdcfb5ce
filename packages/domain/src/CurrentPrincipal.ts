import * as Context from "effect/Context"

import { type ApiKeyId, type SessionId, type ShareId, UserId } from "./Ids.ts"
import type { Permission } from "./Permission.ts"

/** What was shown to make the request. */
export type Credential =
  | { readonly kind: "session"; readonly sessionId: SessionId }
  | { readonly kind: "apiKey"; readonly apiKeyId: ApiKeyId }
  /** A link to one item: it sees that item, as long as the link holds, and nothing else. */
  | { readonly kind: "share"; readonly shareId: ShareId }

/** Who makes the request: a user, by one of the user's sessions or API keys. */
export interface Principal {
  readonly userId: UserId
  readonly credential: Credential
  /** What the user may do; by an API key, only what the key was made for. */
  readonly permissions: ReadonlySet<Permission>
}

/** Whoever has a link. They have no account: what is kept of people is kept of nobody by this id. */
export const holderOf = (shareId: ShareId): Principal => ({
  userId: UserId.make("00000000-0000-0000-0000-000000000000"),
  credential: { kind: "share", shareId },
  permissions: new Set(["media:read"] as const)
})

/** The session that the request is made by; none by an API key. */
export const sessionIdOf = ({ credential }: Principal): SessionId | null =>
  credential.kind === "session" ? credential.sessionId : null

/** The principal of the request at hand, provided by `Authorization`. */
export class CurrentPrincipal extends Context.Service<CurrentPrincipal, Principal>()("@joy/domain/CurrentPrincipal") {}

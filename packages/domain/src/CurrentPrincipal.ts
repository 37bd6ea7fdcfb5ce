import * as Context from "effect/Context"

import type { SessionId, UserId } from "./Ids.ts"
import type { Permission } from "./Permission.ts"

/** Who makes the request: a user, by one of the user's sessions. */
export interface Principal {
  readonly userId: UserId
  readonly sessionId: SessionId
  readonly permissions: ReadonlySet<Permission>
}

/** The principal of the request at hand, provided by `Authorization`. */
export class CurrentPrincipal extends Context.Service<CurrentPrincipal, Principal>()("@joy/domain/CurrentPrincipal") {}

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

import type { UserId } from "./Ids.ts"

/** What other contexts do with what is a user's before the user goes. Asked by auth, answered by catalog. */
export class UserDeletion extends Context.Service<
  UserDeletion,
  {
    /** Runs in the transaction that deletes the user, while the user is still there. */
    readonly before: (userId: UserId) => Effect.Effect<void>
  }
>()("@joy/domain/UserDeletion") {}

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

import type { SessionId } from "./Ids.ts"

/** Whether a session still lives. Implemented by auth, asked by whatever acts for a session after the request ended. */
export class SessionLiveness extends Context.Service<
  SessionLiveness,
  {
    /** False from the moment that ending the session was answered. */
    readonly isLive: (sessionId: SessionId) => Effect.Effect<boolean>
  }
>()("@joy/domain/SessionLiveness") {}

import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

import type { SessionId, UserId } from "./Ids.ts"
import type { RequestFacts } from "./RequestFacts.ts"

/** What people do to items that are not theirs, and who shows items to people without an account. Names stay as they are once released: people search for them. */
export type MediaAction =
  | "media.updated"
  | "media.trashed"
  | "media.restored"
  | "tag.renamed"
  | "share.created"
  | "share.revoked"

export interface AuditNote {
  readonly action: MediaAction
  readonly actorId: UserId
  /** Whose it is; `null` for the library's. */
  readonly subjectId: UserId | null
  readonly sessionId: SessionId | null
  readonly facts: RequestFacts
  readonly detail: Readonly<Record<string, string | number | boolean | ReadonlyArray<string>>>
}

/** The audit log, for contexts other than auth, which keeps it. A note belongs to the transaction around it. */
export class AuditNotes extends Context.Service<
  AuditNotes,
  {
    readonly append: (note: AuditNote) => Effect.Effect<void>
  }
>()("@joy/domain/AuditNotes") {}

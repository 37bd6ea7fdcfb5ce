import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

import { MediaItemId, ScanId, UserId } from "./Ids.ts"
import { Scan } from "./Scan.ts"

/** How far a scan is: what `GET /media/refresh/:scanId` tells, as it was at that moment. */
export const ScanProgress = Schema.Struct({
  scanId: ScanId,
  listed: Scan.fields.listed,
  new: Scan.fields.new,
  changed: Scan.fields.changed,
  failed: Scan.fields.failed,
  objectsPerSecond: Scan.fields.objectsPerSecond,
  expectedEndAt: Scan.fields.expectedEndAt
}).annotate({ identifier: "ScanProgress" })

/** What happened, for those who watch and for contexts that act on each other's news. */
export const Event = Schema.Union([
  Schema.Struct({ name: Schema.Literal("media.ready"), mediaId: MediaItemId }),
  Schema.Struct({ name: Schema.Literal("media.failed"), mediaId: MediaItemId }),
  Schema.Struct({ name: Schema.Literal("media.updated"), mediaId: MediaItemId }),
  Schema.Struct({ name: Schema.Literal("scan.progress"), ...ScanProgress.fields }),
  Schema.Struct({ name: Schema.Literal("scan.finished"), scanId: ScanId }),
  Schema.Struct({ name: Schema.Literal("user.deleted"), userId: UserId })
])
export type Event = typeof Event.Type

/** Where contexts say what happened. What is appended belongs to the transaction around it: it is undone with it. */
export class Events extends Context.Service<
  Events,
  {
    readonly append: (event: Event) => Effect.Effect<void>
    /** Several at once, in this order. */
    readonly appendAll: (events: ReadonlyArray<Event>) => Effect.Effect<void>
  }
>()("@joy/domain/Events") {}

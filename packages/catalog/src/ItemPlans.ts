import type { AuditNote } from "@joy/domain/AuditNotes"
import { type BulkChange, type ChangeOutcome, maxTags } from "@joy/domain/MediaChange"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"

import type { LockedItem } from "./LockedItems.ts"

/** What a change means for items: which of them it changes, and how. */
export interface ItemPlan {
  readonly outcome: (item: LockedItem) => ChangeOutcome
  readonly set: Statement.Fragment
  readonly note: Pick<AuditNote, "action" | "detail">
}

const normal = (tags: ReadonlyArray<string>): ReadonlyArray<string> => [
  ...new Set(tags.map((tag) => tag.normalize("NFC")))
]

const changes = (differs: boolean): ChangeOutcome => (differs ? "changed" : "unchanged")

/** The tags as they are kept: each once, however its accents are composed. */
export const tagsOf = normal

export const planOf = (sql: SqlClient.SqlClient, change: BulkChange): ItemPlan => {
  switch (change.action) {
    case "tag": {
      const tags = normal(change.tags)
      return {
        outcome: (item) => {
          const all = new Set([...item.tags, ...tags]).size
          return all > maxTags ? "too-many-tags" : changes(all > item.tags.length)
        },
        set: sql`tags = tags || ARRAY(SELECT tag FROM unnest(${tags}::text[]) AS tag WHERE tag <> ALL (media_items.tags))`,
        note: { action: "media.updated", detail: { tagged: tags } }
      }
    }
    case "untag": {
      const tags = normal(change.tags)
      return {
        outcome: (item) => changes(item.tags.some((tag) => tags.includes(tag))),
        set: sql`tags = ARRAY(SELECT tag FROM unnest(tags) WITH ORDINALITY AS had (tag, place)
          WHERE tag <> ALL (${tags}::text[]) ORDER BY place)`,
        note: { action: "media.updated", detail: { untagged: tags } }
      }
    }
    case "visibility":
      return {
        outcome: (item) => changes(item.visibility !== change.visibility),
        set: sql`visibility = ${change.visibility}`,
        note: { action: "media.updated", detail: { visibility: change.visibility } }
      }
    case "trash": {
      const deletesSource = change.source === "delete"
      return {
        outcome: () => "changed",
        set: sql`deleted_at = now(), delete_source = ${deletesSource}`,
        note: { action: "media.trashed", detail: { deletesSource } }
      }
    }
    case "restore":
      return {
        outcome: () => "changed",
        set: sql`deleted_at = NULL, delete_source = false`,
        note: { action: "media.restored", detail: {} }
      }
  }
}

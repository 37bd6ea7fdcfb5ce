import type { BigIntStats } from "node:fs"

import { ETag, ObjectKey, StoredObject } from "@joy/domain/StoredObject"

import { versionOf } from "./Stat.ts"

export const ofStats = (key: string, stats: BigIntStats): StoredObject =>
  new StoredObject({
    key: ObjectKey.make(key),
    etag: ETag.make(versionOf(stats)),
    sizeBytes: Number(stats.size),
    modifiedAt: Number(stats.mtimeMs)
  })

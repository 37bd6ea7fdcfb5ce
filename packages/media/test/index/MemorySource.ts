import * as Effect from "effect/Effect"

import type { IndexSource } from "../../src/index/IndexSource.ts"

/** An object in memory, which notes what is read of it. */
export interface MemorySource extends IndexSource {
  readonly reads: Array<{ readonly start: number; readonly end: number }>
  /** Reads that were not within the object. */
  readonly outside: Array<{ readonly start: number; readonly end: number }>
}

export const of = (bytes: Uint8Array): MemorySource => {
  const source: MemorySource = {
    sizeBytes: bytes.length,
    reads: [],
    outside: [],
    read: (start, end) =>
      Effect.sync(() => {
        source.reads.push({ start, end })
        if (!(start >= 0 && start <= end && end <= bytes.length)) source.outside.push({ start, end })
        return bytes.subarray(start, end)
      })
  }
  return source
}

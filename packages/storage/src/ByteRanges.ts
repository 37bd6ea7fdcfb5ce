import type { ByteRange } from "./ObjectStore.ts"

/**
 * What a store gives of an object of `sizeBytes`: the whole without a range, a range cut to the object, or
 * "unsatisfiable" when it begins behind the end (RFC 9110, 14.1.2) or is none at all. An empty object has no bytes to
 * name, so its whole is `null` and every range of it is unsatisfiable.
 */
export const cut = (range: ByteRange | undefined, sizeBytes: number): ByteRange | null | "unsatisfiable" => {
  if (range === undefined) return sizeBytes === 0 ? null : { start: 0, end: sizeBytes - 1 }
  if (!isRange(range) || range.start >= sizeBytes) return "unsatisfiable"
  return { start: range.start, end: Math.min(range.end, sizeBytes - 1) }
}

/** False for what no `Range` header can say. Servers ignore such a header and send everything. */
export const isRange = (range: ByteRange): boolean =>
  Number.isSafeInteger(range.start) && range.start >= 0 && range.end >= range.start

/**
 * Which bytes of a representation a request asks for, to the letter of RFC 9110, sections 13 and 14. Pure: the edge gives
 * header values and gets a decision.
 */

export interface ContentVersion {
  /** The validator without quotes; always a strong one here. */
  readonly etag: string
  readonly sizeBytes: number
  /** Milliseconds since the epoch; `null`: not known, so what asks by a date is not heeded (13.1.3, 13.1.4). */
  readonly modifiedAt: number | null
}

export interface ContentRequest {
  readonly range?: string | undefined
  readonly ifRange?: string | undefined
  readonly ifMatch?: string | undefined
  readonly ifNoneMatch?: string | undefined
  readonly ifModifiedSince?: string | undefined
  readonly ifUnmodifiedSince?: string | undefined
}

export type ContentDecision =
  /** 200: all of it. */
  | { readonly _tag: "Whole" }
  /** 206: the bytes `start` to `end`, both included. */
  | { readonly _tag: "Partial"; readonly start: number; readonly end: number }
  /** 304. */
  | { readonly _tag: "NotModified" }
  /** 412. */
  | { readonly _tag: "PreconditionFailed" }
  /** 416. */
  | { readonly _tag: "NotSatisfiable" }

/** Strong comparison (8.8.3.2): a weak tag never matches. */
const matchesStrongly = (header: string, etag: string) =>
  header.trim() === "*" || header.split(",").some((tag) => tag.trim() === `"${etag}"`)

/** Weak comparison, as If-None-Match asks for (13.1.2). */
const matchesWeakly = (header: string, etag: string) =>
  header.trim() === "*" || header.split(",").some((tag) => tag.trim().replace(/^W\//, "") === `"${etag}"`)

/** HTTP dates have whole seconds. One that is none compares with nothing. */
const seconds = (millis: number) => Math.floor(millis / 1000)

const validatorHolds = (ifRange: string, version: ContentVersion) => {
  const value = ifRange.trim()
  if (value.startsWith('"')) return value === `"${version.etag}"`
  // A date is a strong validator only with care (13.1.5); an exact match of the last modification is what it asks for.
  const date = Date.parse(value)
  return !value.startsWith("W/") && version.modifiedAt !== null && seconds(date) === seconds(version.modifiedAt)
}

/**
 * One range, or `null` for what a server may ignore (14.2): another unit, bad syntax, or several ranges, which no player
 * asks for and which would let a small request cost much.
 */
const parseRange = (header: string, sizeBytes: number): { start: number; end: number } | "not-satisfiable" | null => {
  const match = /^bytes=\s*(\d{0,15})\s*-\s*(\d{0,15})\s*$/i.exec(header.trim())
  if (match === null) return null
  const [, first = "", last = ""] = match
  if (first === "") {
    if (last === "") return null
    const suffix = Number(last)
    if (suffix === 0 || sizeBytes === 0) return "not-satisfiable"
    return { start: Math.max(0, sizeBytes - suffix), end: sizeBytes - 1 }
  }
  const start = Number(first)
  if (last !== "" && Number(last) < start) return null
  if (start >= sizeBytes) return "not-satisfiable"
  return { start, end: last === "" ? sizeBytes - 1 : Math.min(Number(last), sizeBytes - 1) }
}

/** Evaluates preconditions in the order of 13.2.2, then the range. */
export const decide = (request: ContentRequest, version: ContentVersion): ContentDecision => {
  if (request.ifMatch !== undefined) {
    if (!matchesStrongly(request.ifMatch, version.etag)) return { _tag: "PreconditionFailed" }
  } else if (request.ifUnmodifiedSince !== undefined && version.modifiedAt !== null) {
    const date = Date.parse(request.ifUnmodifiedSince)
    if (seconds(version.modifiedAt) > seconds(date)) return { _tag: "PreconditionFailed" }
  }
  if (request.ifNoneMatch !== undefined) {
    if (matchesWeakly(request.ifNoneMatch, version.etag)) return { _tag: "NotModified" }
  } else if (request.ifModifiedSince !== undefined && version.modifiedAt !== null) {
    const date = Date.parse(request.ifModifiedSince)
    if (seconds(version.modifiedAt) <= seconds(date)) return { _tag: "NotModified" }
  }
  if (request.range === undefined) return { _tag: "Whole" }
  if (request.ifRange !== undefined && !validatorHolds(request.ifRange, version)) return { _tag: "Whole" }
  const range = parseRange(request.range, version.sizeBytes)
  if (range === null) return { _tag: "Whole" }
  if (range === "not-satisfiable") return { _tag: "NotSatisfiable" }
  return { _tag: "Partial", ...range }
}

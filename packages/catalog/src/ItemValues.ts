/** What comes out of files and their names, made fit for columns. A file may hold anything. */

/** Longest text kept: a title or a tag of a file can be as long as the file. */
const maxTextLength = 4096
const maxDepth = 16

/** Postgres holds neither NUL nor half a surrogate pair; too long a text is cut. */
export const storableText = (text: string): string =>
  text.slice(0, maxTextLength).replaceAll("\u0000", "\uFFFD").toWellFormed()

export const textOrNull = (text: string | null): string | null => (text === null ? null : storableText(text))

export const finiteOrNull = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && Math.abs(value) < Number.MAX_SAFE_INTEGER ? value : null

export const int4OrNull = (value: number | null): number | null =>
  value !== null && Number.isFinite(value) && Math.abs(value) < 2 ** 31 ? Math.round(value) : null

/** Cameras write times such as `0000:00:00`. Four digits of year are enough for photographs. */
export const instantOrNull = (text: string | null): string | null => {
  const millis = text === null ? Number.NaN : Date.parse(text)
  return millis > Date.parse("0001-01-01T00:00:00Z") && millis < Date.parse("9999-12-31T00:00:00Z")
    ? new Date(millis).toISOString()
    : null
}

const storable = (value: unknown, depth: number): unknown => {
  if (typeof value === "string") return storableText(value)
  if (typeof value === "number") return Number.isFinite(value) ? value : null
  if (typeof value === "boolean" || value === null) return value
  if (typeof value !== "object" || depth > maxDepth) return null
  if (Array.isArray(value)) return value.map((element) => storable(element, depth + 1))
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .map(([name, member]) => [storableText(name), storable(member, depth + 1)])
  )
}

/** JSON that jsonb takes: `\u0000` and numbers that are none have no place there. */
export const jsonText = (value: unknown): string => JSON.stringify(storable(value, 0))

// In any case: disks that ignore it, and clients of such disks, write the same folder in several ways.
const owned = /^users\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\//i

/** The user that an object belongs to by its key, in the form of an id; `null` for the library's. */
export const ownerOf = (key: string): string | null => owned.exec(key)?.[1]?.toLowerCase() ?? null

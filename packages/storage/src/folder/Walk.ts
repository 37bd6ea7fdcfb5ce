import { type ByteString, toText } from "./ByteString.ts"
import * as ErrorCodes from "./ErrorCodes.ts"
import type { Names, Reader } from "./Folders.ts"
import { ListingFailed } from "./ListingFailed.ts"
import * as SyncCalls from "./SyncCalls.ts"

/** The longest key there is (StoredObject.ts). A folder whose own name is that long can't hold an object. */
export const maxKeyBytes = 1024

export const tooLong = `Its path is longer than ${maxKeyBytes} bytes: shorten it`

const notUtf8 = "Its name is not UTF-8: rename it"

/** Names that are not UTF-8 are told one by one up to this many, the rest as a number. */
const namedStrangers = 100

/** Something at a place in the listing: a name to look at, or a folder that could not be entered. */
export interface Entry {
  readonly key: ByteString
  /** Why it can't be used, where that is known without looking. */
  readonly problem: string | null
}

export interface Found {
  readonly entries: ReadonlyArray<Entry>
  /** Where the next page starts; `null` at the end. Always a name that text can hold. */
  readonly next: ByteString | null
}

export interface Options {
  /** Without links; `""` for `/`. */
  readonly root: ByteString
  readonly prefix: ByteString
  readonly startAfter: ByteString
  /** The last key that is wanted; `null` for all that follow. */
  readonly upTo: ByteString | null
  readonly limit: number
}

/** The first name that can be, or contain, a key behind `startAfter` and at or behind `prefix`. */
const firstIndex = (names: Names, folder: ByteString, options: Options): number => {
  let first = 0
  for (const bound of [options.startAfter, options.prefix]) {
    if (!bound.startsWith(folder)) continue
    const rest = bound.slice(folder.length)
    let low = 0
    let high = names.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((names[middle] ?? "") < rest) low = middle + 1
      else high = middle
    }
    // A folder sorts just before what it contains, and nothing else comes between.
    const before = names[low - 1]
    first = Math.max(first, before?.endsWith("/") && rest.startsWith(before) ? low - 1 : low)
  }
  return first
}

/** A folder that vanished is none (`null`); one that can't be read is told of with a reason. */
const explain = (folder: ByteString, options: Options, error: SyncCalls.CallFailed): string | null => {
  if (folder === "") throw new ListingFailed("root", options.root || "/", error)
  if (ErrorCodes.isGeneral(error)) throw new ListingFailed("entry", `${options.root}/${folder}`, error)
  if (ErrorCodes.isAbsent(error)) return null
  return ErrorCodes.isRefused(error)
    ? "This process has no permission to read the folder: correct its owner or mode"
    : `The folder can't be read (${error.code})`
}

/** Names that text can't hold, met at one side of the page's last entry. */
interface Strangers {
  readonly named: Array<ByteString>
  untold: number
}

const entriesOf = (strangers: Strangers): ReadonlyArray<Entry> =>
  strangers.named.map((key, index) => ({
    key,
    problem:
      index === namedStrangers - 1 && strangers.untold > 0 ? `${notUtf8} (and ${strangers.untold} more)` : notUtf8
  }))

/**
 * Walks the tree in the byte order of full keys and stops at the first entry beyond the limit. Subtrees before
 * `startAfter`, behind `upTo` or outside of `prefix` are never read.
 *
 * A name that is not UTF-8 can't be written down as the place where the next page starts. Such names don't count
 * towards the limit, so that a page always ends on one that can.
 */
export const walk = (reader: Reader, options: Options): Found => {
  const { limit, prefix, startAfter, upTo } = options
  const entries: Array<Entry> = []
  const within: Strangers = { named: [], untold: 0 }
  const behind: Strangers = { named: [], untold: 0 }
  let more = false

  const isWanted = (key: ByteString) => key > startAfter && key.startsWith(prefix)

  /** False when the page is full. */
  const add = (key: ByteString, problem: string | null): boolean => {
    more = entries.length === limit
    if (!more) entries.push({ key, problem })
    return !more
  }

  const addStranger = (key: ByteString) => {
    const strangers = entries.length === limit ? behind : within
    if (strangers.named.length < namedStrangers) strangers.named.push(key)
    else strangers.untold++
  }

  /** False when the page is full, or nothing behind this folder is wanted. */
  const enter = (folder: ByteString): boolean => {
    const path = `${options.root}/${folder}`
    const names = SyncCalls.result(() => reader.names(path))
    if (names instanceof SyncCalls.CallFailed) {
      const problem = explain(folder, options, names)
      return problem === null || !isWanted(folder) || add(folder, problem)
    }
    for (let index = firstIndex(names, folder, options); index < names.length; index++) {
      const name = names[index] ?? ""
      const key = folder + name
      if (upTo !== null && key > upTo) return false
      if (!key.startsWith(prefix) && !prefix.startsWith(key) && key > prefix) return false
      if (name.endsWith("/") && toText(name) !== null && key.length < maxKeyBytes) {
        const isBefore = key < startAfter && !startAfter.startsWith(key)
        const isOutside = !key.startsWith(prefix) && !prefix.startsWith(key)
        if (!isBefore && !isOutside && !enter(key)) return false
      } else if (isWanted(key)) {
        if (toText(name) === null) addStranger(key)
        else if (!add(key, key.length > maxKeyBytes || name.endsWith("/") ? tooLong : null)) return false
      }
    }
    reader.leave(path)
    return true
  }

  enter("")
  const strangers = [...entriesOf(within), ...(more ? [] : entriesOf(behind))]
  return {
    entries: strangers.length === 0 ? entries : [...entries, ...strangers].sort((a, b) => (a.key < b.key ? -1 : 1)),
    next: more ? (entries.at(-1)?.key ?? null) : null
  }
}

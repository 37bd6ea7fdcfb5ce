import type { BigIntStats } from "node:fs"

/** Size, modification time and inode: all that a file can tell of its version without being read. */
export const versionOf = (stats: BigIntStats): string =>
  `${stats.size.toString(16)}-${stats.mtimeNs.toString(16)}-${stats.ino.toString(16)}`

/**
 * What the mode says about reading: a guess that costs nothing, for a listing of a million files. Only where it says no
 * is the kernel asked, which also knows of access lists.
 */
export const seemsReadable = (stats: BigIntStats): boolean => {
  const uid = process.geteuid?.() ?? 0
  if (uid === 0) return true
  if (Number(stats.uid) === uid) return (stats.mode & 0o400n) !== 0n
  if (process.getgroups?.().includes(Number(stats.gid))) return (stats.mode & 0o040n) !== 0n
  return (stats.mode & 0o004n) !== 0n
}

/** What an entry is that is neither a file nor a folder nor a link; `null` for those. */
export const strangeKind = (stats: BigIntStats): string | null => {
  if (stats.isFIFO()) return "It is a named pipe (FIFO), not a file"
  if (stats.isSocket()) return "It is a socket, not a file"
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return "It is a device, not a file"
  return null
}

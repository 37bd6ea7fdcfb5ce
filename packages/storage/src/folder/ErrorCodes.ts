/** What the codes of failed system calls say about the entry that was asked for, and about everything else. */

interface Failed {
  readonly code: string
}

/** The codes that say: nothing of that name is there, or could ever be. ENXIO is what opening a socket gives. */
const absent = new Set(["ENOENT", "ENOTDIR", "ENAMETOOLONG", "ELOOP", "EILSEQ", "EINVAL", "ENXIO", "ENODEV"])

export const isAbsent = (error: Failed) => absent.has(error.code)

export const isRefused = (error: Failed) => error.code === "EACCES" || error.code === "EPERM"

/**
 * What is never the fault of the one entry that was asked for: the process has run out of something, or a network disk
 * has gone away. A listing that took it for a bad file would make a library look half empty.
 */
const general = new Set([
  "EMFILE",
  "ENFILE",
  "ENOMEM",
  "EAGAIN",
  "EINTR",
  "ESTALE",
  "ETIMEDOUT",
  "EHOSTDOWN",
  "ENOTCONN"
])

export const isGeneral = (error: Failed) => general.has(error.code)

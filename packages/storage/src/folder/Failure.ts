import { StoreUnavailable } from "../StoreError.ts"
import { type ByteString, toPrintable } from "./ByteString.ts"
import { isAbsent, isGeneral } from "./ErrorCodes.ts"
import type { SyscallError } from "./Syscall.ts"

const mayPass = (error: SyscallError) => isGeneral(error) || error.code === "EIO" || error.code === "EBUSY"

const isFull = (error: SyscallError) => error.code === "ENOSPC" || error.code === "EDQUOT"

const describe = (error: SyscallError, path: string): string => {
  switch (error.code) {
    case "ENOSPC":
    case "EDQUOT":
      return `the disk of ${path} is full: make room`
    case "EROFS":
      return `the disk of ${path} is mounted read-only: mount it writable, or choose another folder`
    case "EACCES":
    case "EPERM":
      return `this process has no permission for ${path}: correct its owner or mode`
    case "EMFILE":
    case "ENFILE":
      return `too many files are open: raise the limit (ulimit -n)`
    case "EIO":
    case "ESTALE":
    case "ENOTCONN":
      return `the disk failed on ${path} (${error.code})`
    case "ENOTDIR":
    case "EEXIST":
    case "EISDIR":
    case "ENOTEMPTY":
      return `a file and a folder want the same name at ${path}`
    case "ENAMETOOLONG":
      return `the name is too long for the disk of ${path}`
    default:
      return `${path}: ${error.detail}`
  }
}

export const unavailable =
  (operation: string, path: ByteString) =>
  (error: SyscallError): StoreUnavailable =>
    new StoreUnavailable({
      operation,
      reason: describe(error, toPrintable(path)),
      retryable: mayPass(error),
      isFull: isFull(error)
    })

/** The root is no folder that can be used. A disk that isn't mounted comes back, a wrong setting doesn't. */
export const rootUnavailable =
  (operation: string, root: ByteString) =>
  (error: SyscallError): StoreUnavailable => {
    if (!isAbsent(error)) return unavailable(operation, root)(error)
    const path = toPrintable(root)
    const reason =
      error.code === "ENOENT"
        ? `the folder ${path} does not exist: create it, or mount the disk that it is on`
        : `${path} is not a folder`
    return new StoreUnavailable({ operation, reason, retryable: error.code === "ENOENT" })
  }

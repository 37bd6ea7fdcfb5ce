import { isReservedKey } from "../ReservedKeys.ts"
import type { ByteString } from "./ByteString.ts"

export const parentOf = (path: ByteString): ByteString => path.slice(0, path.lastIndexOf("/"))

/** True when `path`, without links, is the root's own or lies below it and outside of what is reserved. */
export const isInside = (realRoot: ByteString, path: ByteString): boolean =>
  path.startsWith(`${realRoot}/`) && !isReservedKey(path.slice(realRoot.length + 1))

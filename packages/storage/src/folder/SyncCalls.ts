import * as fs from "node:fs"

import { type ByteString, toBuffer } from "./ByteString.ts"

/**
 * The calls that a listing makes, for its thread alone (ListingThread.ts): they block. A million callbacks through the
 * thread pool cost five times as much as a million calls.
 */

/** A call that failed, by the code that says why. Thrown. */
export class CallFailed {
  readonly code: string
  readonly detail: string

  constructor(error: unknown) {
    this.code = error instanceof Error && "code" in error ? String(error.code) : "UNKNOWN"
    this.detail = error instanceof Error ? error.message : String(error)
  }
}

const attempt = <A>(call: () => A): A => {
  try {
    return call()
  } catch (error) {
    throw new CallFailed(error)
  }
}

/** What `call` gives, or how it failed. */
export const result = <A>(call: () => A): A | CallFailed => {
  try {
    return call()
  } catch (error) {
    if (error instanceof CallFailed) return error
    throw error
  }
}

export const realpath = (path: ByteString): ByteString =>
  attempt(() => fs.realpathSync.native(toBuffer(path), "latin1"))

export const lstat = (path: ByteString): fs.BigIntStats => attempt(() => fs.lstatSync(toBuffer(path), { bigint: true }))

export const readdir = (path: ByteString): Array<fs.Dirent<NonSharedBuffer>> =>
  attempt(() => fs.readdirSync(toBuffer(path), { withFileTypes: true, encoding: "buffer" }))

export const isReadable = (path: ByteString): boolean =>
  !(result(() => attempt(() => fs.accessSync(toBuffer(path), fs.constants.R_OK))) instanceof CallFailed)

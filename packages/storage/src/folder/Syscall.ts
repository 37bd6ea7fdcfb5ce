// Effect's FileSystem has no file descriptors to hand out, no nanosecond times and no names that are not UTF-8, all of
// which this store is made of. So it speaks to node:fs itself, here and nowhere else.
import * as fs from "node:fs"

import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

import { type ByteString, toBuffer } from "./ByteString.ts"

export class SyscallError extends Data.TaggedError("SyscallError")<{
  readonly code: string
  readonly detail: string
}> {}

const failure = (error: NodeJS.ErrnoException) =>
  Effect.fail(new SyscallError({ code: error.code ?? "UNKNOWN", detail: error.message }))

/**
 * Uninterruptible, because a call in the thread pool can't be taken back: a descriptor that it opens would be lost, and
 * one that it reads from would be closed, and its number given to another file, under it.
 */
const call = <A>(run: (done: (error: NodeJS.ErrnoException | null, value: A) => void) => void) =>
  Effect.uninterruptible(
    Effect.callback<A, SyscallError>((resume) =>
      run((error, value) => resume(error === null ? Effect.succeed(value) : failure(error)))
    )
  )

const callVoid = (run: (done: (error?: NodeJS.ErrnoException | null) => void) => void) =>
  Effect.uninterruptible(
    Effect.callback<void, SyscallError>((resume) => run((error) => resume(error ? failure(error) : Effect.void)))
  )

export const realpath = (path: ByteString) =>
  call<ByteString>((done) => fs.realpath.native(toBuffer(path), "latin1", done))

export const lstat = (path: ByteString) =>
  call<fs.BigIntStats>((done) => fs.lstat(toBuffer(path), { bigint: true }, done))

export const fstat = (fd: number) => call<fs.BigIntStats>((done) => fs.fstat(fd, { bigint: true }, done))

export const readdir = (path: ByteString) =>
  call<Array<fs.Dirent<NonSharedBuffer>>>((done) =>
    fs.readdir(toBuffer(path), { withFileTypes: true, encoding: "buffer" }, done)
  )

export const open = (path: ByteString, flags: number, mode?: number) =>
  call<number>((done) => fs.open(toBuffer(path), flags, mode, done))

/** Where an open file is by now, as the kernel knows it: without links, and followed through renames. Linux only. */
export const placeOf = (fd: number) =>
  call<Buffer>((done) => fs.readlink(`/proc/self/fd/${fd}`, { encoding: "buffer" }, done))

export const close = (fd: number) => callVoid((done) => fs.close(fd, done))

export const read = (fd: number, into: Uint8Array, position: number) =>
  call<number>((done) => fs.read(fd, into, 0, into.byteLength, position, done))

export const write = (fd: number, from: Uint8Array, position: number) =>
  call<number>((done) => fs.write(fd, from, 0, from.byteLength, position, done))

export const fsync = (fd: number) => callVoid((done) => fs.fsync(fd, done))

export const rename = (from: ByteString, to: ByteString) =>
  callVoid((done) => fs.rename(toBuffer(from), toBuffer(to), done))

export const unlink = (path: ByteString) => callVoid((done) => fs.unlink(toBuffer(path), done))

export const rmdir = (path: ByteString) => callVoid((done) => fs.rmdir(toBuffer(path), done))

/** What is made from private items is for nobody else on the machine, nor for the user that ffmpeg runs as. */
export const ownFile = 0o600
const ownFolder = 0o700

export const mkdir = (path: ByteString) => callVoid((done) => fs.mkdir(toBuffer(path), { mode: ownFolder }, done))

export const mkdirs = (path: ByteString) =>
  callVoid((done) => fs.mkdir(toBuffer(path), { recursive: true }, (error) => done(error)))

import { isUtf8 } from "node:buffer"

/**
 * A path as the kernel has it: a string whose char codes are bytes. Names on disk need not be UTF-8, and strings of
 * this kind keep them whole, compare in byte order with plain `<` (the order keys are listed in), and weigh a fraction
 * of a Buffer each.
 */
export type ByteString = string

export const fromText = (text: string): ByteString => Buffer.from(text, "utf8").toString("latin1")

/** What a system call takes. */
export const toBuffer = (bytes: ByteString): Buffer => Buffer.from(bytes, "latin1")

/** The text, or `null` when the bytes are not UTF-8. */
export const toText = (bytes: ByteString): string | null => {
  const buffer = toBuffer(bytes)
  return isUtf8(buffer) ? buffer.toString("utf8") : null
}

/** The text, with each byte that is not part of UTF-8 written as `\xNN`. For people only: it is no key. */
export const toPrintable = (bytes: ByteString): string => {
  const buffer = toBuffer(bytes)
  if (isUtf8(buffer)) return buffer.toString("utf8")
  let text = ""
  let at = 0
  while (at < buffer.length) {
    const length = [1, 2, 3, 4].find(
      (length) => at + length <= buffer.length && isUtf8(buffer.subarray(at, at + length))
    )
    text += length === undefined ? `\\x${buffer.toString("hex", at, at + 1)}` : buffer.toString("utf8", at, at + length)
    at += length ?? 1
  }
  return text
}

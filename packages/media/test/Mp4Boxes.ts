/** A box of ISO 14496-12. */
export const box = (type: string, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = Buffer.concat(parts)
  const head = Buffer.alloc(8)
  head.writeUInt32BE(body.length + 8)
  head.write(type, 4, "latin1")
  return Buffer.concat([head, body])
}

/** Puts boxes at the end of the first sample entry of a file whose index is at its end, so that no offset changes. */
export const inSampleEntry = (file: Buffer, ...boxes: ReadonlyArray<Uint8Array>): Buffer => {
  const bytes = Buffer.from(file)
  const added = boxes.reduce((sum, { length }) => sum + length, 0)
  let from = 0
  for (const type of ["moov", "trak", "mdia", "minf", "stbl", "stsd"]) {
    const at = bytes.indexOf(type, from) - 4
    bytes.writeUInt32BE(bytes.readUInt32BE(at) + added, at)
    from = at + 8
  }
  const entry = from + 8
  const end = entry + bytes.readUInt32BE(entry)
  bytes.writeUInt32BE(bytes.readUInt32BE(entry) + added, entry)
  return Buffer.concat([bytes.subarray(0, end), ...boxes, bytes.subarray(end)])
}

import { box, fullBox, uint16s, uint32s } from "./mp4/Boxes.ts"

/** Sample entries as ISO 14496-12 has them, for codecs whose configuration came from elsewhere. */

/** Before the boxes of an entry: six reserved bytes, and the number of the only data reference. */
const head = uint16s(0, 0, 0, 1)

/** 12.1.3. */
export const visualEntry = (
  type: string,
  { height, width }: { readonly width: number; readonly height: number },
  ...boxes: ReadonlyArray<Uint8Array>
): Uint8Array => {
  const body = new Uint8Array(70)
  const view = new DataView(body.buffer)
  view.setUint16(16, width)
  view.setUint16(18, height)
  // 72 dots per inch, one picture a sample, and colours without a table.
  view.setUint32(20, 0x48_0000)
  view.setUint32(24, 0x48_0000)
  view.setUint16(32, 1)
  view.setUint16(66, 24)
  view.setInt16(68, -1)
  return box(type, head, body, ...boxes)
}

/** 12.2.3. */
export const audioEntry = (
  type: string,
  audio: { readonly channels: number | null; readonly sampleRate: number | null; readonly bits?: number },
  ...boxes: ReadonlyArray<Uint8Array>
): Uint8Array => {
  const rate = audio.sampleRate ?? 0
  return box(
    type,
    head,
    uint32s(0, 0),
    uint16s(audio.channels ?? 2, audio.bits ?? 16, 0, 0),
    // Sixteen bits before the point: what doesn't fit in them only the codec's own record says.
    uint16s(rate > 0xffff ? 0 : rate, 0),
    ...boxes
  )
}

/** A descriptor of ISO 14496-1 (8.3.3), of at most 16 KiB. */
const descriptor = (tag: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Uint8Array.of(tag, 0x80 | (body.length >> 7), body.length & 0x7f), body])
}

/** `esds` (ISO 14496-14, 6.7.2) of sound with this configuration. */
export const esds = (objectType: number, config: Uint8Array): Uint8Array => {
  const decoder = descriptor(4, Uint8Array.of(objectType, 0x15), new Uint8Array(11), descriptor(5, config))
  return fullBox("esds", 0, 0, descriptor(3, new Uint8Array(3), decoder, descriptor(6, Uint8Array.of(2))))
}

import { type ReadBytes, Refused } from "./DemuxMessages.ts"

export interface Element {
  readonly id: number
  readonly bodyStart: number
  readonly end: number
}

export interface Elements {
  readonly at: (position: number, limit: number) => Promise<Element | null>
  readonly children: (parent: { readonly bodyStart: number; readonly end: number }) => AsyncGenerator<Element>
  /** The body, cut to `most` bytes. */
  readonly bytes: (element: Element, most: number) => Promise<Uint8Array>
  /** An unsigned number; 0 for an empty one. */
  readonly number: (element: Element) => Promise<number>
  readonly float: (element: Element) => Promise<number>
}

const maxElements = 100_000

/** Walks the elements of EBML (RFC 8794), which Matroska and WebM are made of. */
export const elementsOf = (read: ReadBytes): Elements => {
  let count = 0

  const at = async (position: number, limit: number): Promise<Element | null> => {
    if (++count > maxElements) throw new Refused("has too many elements before its index")
    const head = await read(position, Math.min(position + 12, limit))
    const first = head[0] ?? 0
    const idLength = Math.clz32(first) - 23
    if (first === 0 || idLength > 4 || head.length < idLength + 1) return null
    const id = head.subarray(0, idLength).reduce((value, byte) => value * 256 + byte, 0)
    const marker = head[idLength] ?? 0
    const sizeLength = Math.clz32(marker) - 23
    if (marker === 0 || head.length < idLength + sizeLength) return null
    const bytes = head.subarray(idLength + 1, idLength + sizeLength)
    const lead = marker & (0xff >> sizeLength)
    // All ones: the size is not known (a live recording), and the element goes on to the end of its parent.
    const isUnknown = lead === 0xff >> sizeLength && bytes.every((byte) => byte === 0xff)
    const bodyStart = position + idLength + sizeLength
    const size = bytes.reduce((value, byte) => value * 256 + byte, lead)
    return { id, bodyStart, end: isUnknown ? limit : Math.min(bodyStart + size, limit) }
  }

  const children = async function* (parent: { readonly bodyStart: number; readonly end: number }) {
    let position = parent.bodyStart
    while (position < parent.end) {
      const element = await at(position, parent.end)
      if (element === null) return
      yield element
      position = element.end
    }
  }

  const bytes = (element: Element, most: number) =>
    read(element.bodyStart, Math.min(element.end, element.bodyStart + most))

  const number = async (element: Element) => (await bytes(element, 8)).reduce((sum, byte) => sum * 256 + byte, 0)

  const float = async (element: Element) => {
    const body = await bytes(element, 8)
    const view = new DataView(body.buffer, body.byteOffset, body.length)
    return body.length === 8 ? view.getFloat64(0) : body.length === 4 ? view.getFloat32(0) : 0
  }

  return { at, children, bytes, number, float }
}

import type { DemuxTiles, ReadBytes } from "./DemuxMessages.ts"
import { writeFrames } from "./Frames.ts"
import { ascii, type Box, boxesOf, viewOf } from "./Mp4Boxes.ts"
import { readAhead } from "./Outline.ts"

/** A picture that is put together of tiles (ISO 23008-12, 6.6.2.3) has some fifty; the format allows for 65,536. */
const maxTiles = 1024
const maxMetaBytes = 4 * 2 ** 20
/** Of all tiles together, compressed. */
const maxTileBytes = 64 * 2 ** 20

interface Extent {
  readonly offset: number
  readonly length: number
}

interface Item {
  type: string
  extents: ReadonlyArray<Extent>
  /** The bytes lie in the `idat` box instead of the file. */
  isInline: boolean
  /** Which properties it has, from 1. */
  properties: ReadonlyArray<number>
}

/** Reads numbers of one box after the other; beyond the end it throws, which means "can't make sense of it". */
const cursorOf = (body: Uint8Array) => {
  const view = viewOf(body)
  let position = 0
  const take = (bytes: number): number => {
    let value = 0
    for (let i = 0; i < bytes; i++) value = value * 256 + view.getUint8(position++)
    return value
  }
  return { take, skip: (bytes: number) => void (position += bytes), rest: () => body.subarray(position) }
}

/** The HEVC tiles of the primary picture, in order, as a video of a frame for each, and how they are put together. */
export const heifTiles = async (source: ReadBytes, sizeBytes: number): Promise<DemuxTiles | null> => {
  const read = readAhead(source, sizeBytes)
  const boxes = boxesOf(read)
  const items = new Map<number, Item>()
  const properties: Array<{ readonly type: string; readonly body: Uint8Array }> = []
  const tilesOf = new Map<number, ReadonlyArray<number>>()
  let primary = 0
  let idat: Box | null = null

  const itemOf = (id: number): Item => {
    const found = items.get(id) ?? { type: "", extents: [], isInline: false, properties: [] }
    items.set(id, found)
    return found
  }
  const whole = (box: Box) => read(box.bodyStart, Math.min(box.end, box.bodyStart + maxMetaBytes))

  const readLocations = (body: Uint8Array) => {
    const { skip, take } = cursorOf(body)
    const version = take(1)
    skip(3)
    const sizes = take(2)
    const [offsetSize, lengthSize, baseSize] = [sizes >> 12, (sizes >> 8) & 15, (sizes >> 4) & 15]
    const indexSize = version > 0 ? sizes & 15 : 0
    const count = take(version < 2 ? 2 : 4)
    for (let i = 0; i < count; i++) {
      const item = itemOf(take(version < 2 ? 2 : 4))
      const method = version > 0 ? take(2) & 15 : 0
      skip(2)
      const base = take(baseSize)
      item.isInline = method === 1
      item.extents = Array.from({ length: take(2) }, () => {
        skip(indexSize)
        return { offset: base + take(offsetSize), length: take(lengthSize) }
      })
    }
  }

  const readAssociations = (body: Uint8Array) => {
    const { skip, take } = cursorOf(body)
    const version = take(1)
    skip(2)
    const isWide = (take(1) & 1) === 1
    const count = take(4)
    for (let i = 0; i < count; i++) {
      const item = itemOf(take(version < 1 ? 2 : 4))
      item.properties = Array.from({ length: take(1) }, () => (isWide ? take(2) & 0x7fff : take(1) & 0x7f))
    }
  }

  const readMeta = async (meta: Box) => {
    for await (const box of boxes.within(meta.bodyStart + 4, meta.end)) {
      if (box.type === "pitm") {
        const { skip, take } = cursorOf(await whole(box))
        const version = take(1)
        skip(3)
        primary = take(version === 0 ? 2 : 4)
      } else if (box.type === "iinf") {
        const version = (await read(box.bodyStart, box.bodyStart + 1))[0] ?? 0
        for await (const entry of boxes.within(box.bodyStart + (version === 0 ? 6 : 8), box.end)) {
          const { rest, skip, take } = cursorOf(await read(entry.bodyStart, entry.bodyStart + 16))
          const entryVersion = take(1)
          skip(3)
          const item = itemOf(take(entryVersion < 3 ? 2 : 4))
          skip(2)
          item.type = ascii(rest(), 0)
        }
      } else if (box.type === "iloc") readLocations(await whole(box))
      else if (box.type === "idat") idat = box
      else if (box.type === "iref") {
        const isWide = ((await read(box.bodyStart, box.bodyStart + 1))[0] ?? 0) > 0
        for await (const reference of boxes.within(box.bodyStart + 4, box.end)) {
          const { take } = cursorOf(await whole(reference))
          const from = take(isWide ? 4 : 2)
          const to = Array.from({ length: take(2) }, () => take(isWide ? 4 : 2))
          if (reference.type === "dimg") tilesOf.set(from, to)
        }
      } else if (box.type === "iprp") {
        for await (const inner of boxes.within(box.bodyStart, box.end)) {
          if (inner.type === "ipma") readAssociations(await whole(inner))
          if (inner.type !== "ipco") continue
          for await (const property of boxes.within(inner.bodyStart, inner.end)) {
            properties.push({ type: property.type, body: await read(property.bodyStart, property.end) })
          }
        }
      }
    }
  }

  const bytesOf = async (item: Item): Promise<Uint8Array> => {
    const base = item.isInline ? (idat?.bodyStart ?? sizeBytes) : 0
    const parts = item.extents.map(({ length, offset }) => source(base + offset, base + offset + length))
    return Buffer.concat(await Promise.all(parts))
  }
  const propertyOf = (item: Item, type: string) =>
    item.properties.map((index) => properties[index - 1]).find((property) => property?.type === type)?.body
  const sizeOf = (item: Item) => {
    const body = propertyOf(item, "ispe")
    return body === undefined
      ? { width: 0, height: 0 }
      : { width: viewOf(body).getUint32(4), height: viewOf(body).getUint32(8) }
  }

  for await (const top of boxes.within(0, sizeBytes)) {
    if (top.type !== "meta") continue
    if (top.end - top.bodyStart > maxMetaBytes) return null
    await readMeta(top)
    break
  }
  const shown = items.get(primary)
  if (shown === undefined) return null
  const tileIds = shown.type === "grid" ? (tilesOf.get(primary) ?? []) : [primary]
  const tiles = tileIds.map(itemOf)
  const [first] = tiles
  const description = first === undefined ? undefined : propertyOf(first, "hvcC")
  const length = tiles.flatMap(({ extents }) => extents).reduce((sum, extent) => sum + extent.length, 0)
  const isWhole = tiles.length <= maxTiles && length <= maxTileBytes && tiles.every(({ type }) => type === "hvc1")
  if (first === undefined || description === undefined || !isWhole) return null
  const grid = { columns: 1, rows: 1 }
  if (shown.type === "grid") {
    const [, , rows = 0, columns = 0] = await bytesOf(shown)
    grid.rows = rows + 1
    grid.columns = columns + 1
  }
  if (grid.rows * grid.columns !== tiles.length) return null
  const tile = sizeOf(first)
  const packets: Array<Uint8Array> = []
  for (const item of tiles) packets.push(await bytesOf(item))
  return {
    bytes: await writeFrames(packets, "hevc", {
      codec: "hvc1.1.6.L93.B0",
      codedWidth: tile.width,
      codedHeight: tile.height,
      description
    }),
    ...grid,
    ...sizeOf(shown),
    // In quarters, counter-clockwise.
    rotation: ((4 - ((propertyOf(shown, "irot")?.[0] ?? 0) & 3)) % 4) * 90
  }
}

import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

import { box } from "./Mp4Boxes.ts"

const u16 = (...values: ReadonlyArray<number>) => {
  const bytes = Buffer.alloc(values.length * 2)
  for (const [i, value] of values.entries()) bytes.writeUInt16BE(value, i * 2)
  return bytes
}
const u32 = (...values: ReadonlyArray<number>) => {
  const bytes = Buffer.alloc(values.length * 4)
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, i * 4)
  return bytes
}

/** Numbers (as LONG), a text (ASCII), or further directories. */
type Entry = number | string | ReadonlyArray<Directory>
export interface Directory {
  readonly [tag: number]: Entry
}

/**
 * A TIFF of one directory after another, with JPEGs behind them: `-1` stands for where the first of these is, `-2` for its
 * length, `-3` and `-4` for those of the second.
 */
export const tiff = (
  directories: ReadonlyArray<Directory>,
  jpegs: ReadonlyArray<Buffer>,
  options: { readonly magic?: string; readonly header?: Buffer } = {}
): Buffer => {
  const header = Buffer.concat([
    Buffer.from(options.magic ?? "II*\0", "latin1"),
    u32(0),
    options.header ?? Buffer.alloc(0)
  ])
  const parts: Array<Buffer> = [header]
  const places: Array<readonly [at: number, which: number]> = []
  let length = header.length
  const append = (bytes: Buffer) => {
    const at = length
    parts.push(bytes)
    length += bytes.length
    return at
  }
  const write = (directory: Directory, next: number): number => {
    const entries = Object.entries(directory).map(([tag, entry]) => {
      const field = Buffer.alloc(12)
      field.writeUInt16LE(Number(tag))
      if (typeof entry === "string") {
        field.writeUInt16LE(2, 2)
        field.writeUInt32LE(entry.length + 1, 4)
        field.writeUInt32LE(append(Buffer.from(`${entry}\0`.padEnd(8, "\0"))), 8)
        return { field, which: 0 }
      }
      field.writeUInt16LE(4, 2)
      if (typeof entry === "number") {
        field.writeUInt32LE(1, 4)
        if (entry >= 0) field.writeUInt32LE(entry, 8)
        return { field, which: Math.min(0, entry) }
      }
      const offsets = entry.map((inner: Directory) => write(inner, 0))
      field.writeUInt32LE(offsets.length, 4)
      const list = Buffer.alloc(offsets.length * 4)
      for (const [i, offset] of offsets.entries()) list.writeUInt32LE(offset, i * 4)
      field.writeUInt32LE(offsets.length === 1 ? (offsets[0] ?? 0) : append(list), 8)
      return { field, which: 0 }
    })
    const count = Buffer.alloc(2)
    count.writeUInt16LE(entries.length)
    const at = append(count)
    for (const { field, which } of entries) {
      const start = append(field)
      if (which < 0) places.push([start + 8, which])
    }
    const pointer = Buffer.alloc(4)
    pointer.writeUInt32LE(next)
    append(pointer)
    return at
  }
  const first = directories.toReversed().reduce((next, directory) => write(directory, next), 0)
  const starts = jpegs.map((jpeg) => append(jpeg))
  const file = Buffer.concat(parts)
  file.writeUInt32LE(first, 4)
  for (const [at, which] of places) {
    const jpeg = Math.floor((-which - 1) / 2)
    file.writeUInt32LE(which % 2 === 0 ? (jpegs[jpeg]?.length ?? 0) : (starts[jpeg] ?? 0), at)
  }
  return file
}

/** Fujifilm's. */
export const raf = (jpeg: Buffer): Buffer => {
  const head = Buffer.alloc(160)
  head.write("FUJIFILMCCD-RAW 0201FF383501")
  u32(160, jpeg.length).copy(head, 84)
  return Buffer.concat([head, jpeg, Buffer.alloc(1000, 7)])
}

/** Canon's newer one. */
export const cr3 = (jpeg: Buffer): Buffer => {
  const preview = box("PRVW", u32(0), u16(1, 1620, 1080, 1), u32(jpeg.length), jpeg)
  const uuid = Buffer.from("eaf42b5e1c984b88b9fbb7dc406e4d16", "hex")
  return Buffer.concat([
    box("ftyp", Buffer.from("crx \0\0\0\x01crx isom", "latin1")),
    box("uuid", uuid, u32(0, 1), preview),
    box("mdat", Buffer.alloc(1000, 7))
  ])
}

const full = (version: number, ...parts: ReadonlyArray<Uint8Array>) => Buffer.concat([u32(version * 2 ** 24), ...parts])

/** A HEIC file of two by two tiles of 256 by 192, cut to 500 by 380, and turned by `quarters` counter-clockwise. */
export const heic = (folder: string, quarters: number): Buffer => {
  const tiles = [0, 1, 2, 3].map((i) => {
    const name = path.join(folder, `tile-${i}.mp4`)
    const crop = `crop=256:192:${(i % 2) * 256}:${Math.floor(i / 2) * 192}`
    execFileSync("ffmpeg", [
      ..."-nostdin -loglevel error -y -f lavfi -i testsrc2=size=512x384:rate=1 -frames:v 1 -vf".split(" "),
      crop,
      ..."-c:v libx265 -preset ultrafast -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=none".split(" "),
      name
    ])
    const file = fs.readFileSync(name)
    const body = (type: string) => {
      const at = file.indexOf(type)
      return file.subarray(at + 4, at - 4 + file.readUInt32BE(at - 4))
    }
    return { sample: body("mdat"), hvcC: body("hvcC") }
  })
  const item = (id: number, type: string) => box("infe", full(2, u16(id, 0), Buffer.from(`${type}\0`)))
  const grid = Buffer.concat([Buffer.from([0, 0, 1, 1]), u16(500, 380)])
  const properties = [
    box("hvcC", tiles[0]?.hvcC ?? Buffer.alloc(0)),
    box("ispe", full(0, u32(256, 192))),
    box("ispe", full(0, u32(500, 380))),
    box("irot", Buffer.from([quarters]))
  ]
  const associations = [
    ...[1, 2, 3, 4].map((id) => Buffer.concat([u16(id), Buffer.from([2, 0x81, 2])])),
    Buffer.concat([u16(5), Buffer.from([2, 3, 0x84])])
  ]
  const ftyp = box("ftyp", Buffer.from("heic\0\0\0\0mif1heic", "latin1"))
  const metaWith = (start: number) => {
    let at = start
    const locations = tiles.map(({ sample }, i) => {
      const entry = Buffer.concat([u16(i + 1, 0, 0, 1), u32(at, sample.length)])
      at += sample.length
      return entry
    })
    const inline = Buffer.concat([u16(5, 1, 0, 1), u32(0, grid.length)])
    return box(
      "meta",
      full(
        0,
        box("hdlr", full(0, u32(0), Buffer.from("pict"), Buffer.alloc(13))),
        box("pitm", full(0, u16(5))),
        box("iinf", full(0, u16(5), ...[1, 2, 3, 4].map((id) => item(id, "hvc1")), item(5, "grid"))),
        box("iref", full(0, box("dimg", u16(5, 4, 1, 2, 3, 4)))),
        box("iprp", Buffer.concat([box("ipco", ...properties), box("ipma", full(0, u32(5), ...associations))])),
        box("idat", grid),
        box("iloc", full(1, u16(0x4400, 5), ...locations, inline))
      )
    )
  }
  const start = ftyp.length + metaWith(0).length + 8
  return Buffer.concat([ftyp, metaWith(start), box("mdat", ...tiles.map(({ sample }) => sample))])
}

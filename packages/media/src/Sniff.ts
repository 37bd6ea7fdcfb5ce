import type { DemuxKind } from "./demux/DemuxMessages.ts"

export type ImageKind = "jpeg" | "png" | "webp" | "gif" | "avif" | "heif" | "tiff" | "raw"

/** What the first bytes of an object say. `other` is for ffprobe to find out. */
export type Sniffed =
  | { readonly type: "image"; readonly format: ImageKind }
  | { readonly type: "container"; readonly kind: DemuxKind }
  | { readonly type: "text" }
  | { readonly type: "other" }

/** How many bytes `sniff` wants to see. */
export const sniffBytes = 4096

const image = (format: ImageKind): Sniffed => ({ type: "image", format })
const container = (kind: DemuxKind): Sniffed => ({ type: "container", kind })

/** Brands of ISO 23008-12 (HEIF) and the AVIF specification, major or compatible. */
const avifBrands = new Set(["avif", "avis"])
const heifBrands = new Set(["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"])

const isoMedia = (text: string, head: Uint8Array): Sniffed => {
  const length = Math.min(((head[2] ?? 0) << 8) | (head[3] ?? 0), 256, text.length)
  const brands = [text.slice(8, 12)]
  for (let at = 16; at + 4 <= length; at += 4) brands.push(text.slice(at, at + 4))
  const major = brands[0] ?? ""
  if (major === "crx ") return image("raw")
  if (avifBrands.has(major)) return image("avif")
  if (heifBrands.has(major)) return image(brands.some((brand) => avifBrands.has(brand)) ? "avif" : "heif")
  return container("mp4")
}

/** No container begins with this much text and nothing else: playlists, markup, subtitles and source code do. */
const isText = (head: Uint8Array): boolean => {
  if (head.some((byte) => byte < 9 || (byte > 13 && byte < 32 && byte !== 27))) return false
  const decoder = new TextDecoder("utf-8", { fatal: true })
  // Streaming, so that a character cut at the end is no error.
  return isDecodable(() => decoder.decode(head, { stream: true }))
}

const isDecodable = (decode: () => string): boolean => {
  try {
    decode()
    return true
  } catch {
    return false
  }
}

/** Decides by content alone; the object's name is never looked at. */
export const sniff = (head: Uint8Array): Sniffed => {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString("latin1")
  if (text.startsWith("\xff\xd8\xff")) return image("jpeg")
  if (text.startsWith("\x89PNG\r\n\x1a\n")) return image("png")
  if (text.startsWith("GIF87a") || text.startsWith("GIF89a")) return image("gif")
  if (text.startsWith("II*\0") || text.startsWith("MM\0*")) return image("tiff")
  // Cameras' own: Olympus and Panasonic write TIFF with other numbers, Fujifilm something else.
  if (/^(?:IIR[OS]|MMOR|IIU\0|FUJIFILMCCD-RAW)/.test(text)) return image("raw")
  if (text.startsWith("RIFF") && text.startsWith("WEBP", 8)) return image("webp")
  if (text.startsWith("ftyp", 4)) return isoMedia(text, head)
  if (/^.{4}(moov|mdat|wide|free|skip|pnot|moof|styp)/s.test(text)) return container("mp4")
  if (text.startsWith("\x1a\x45\xdf\xa3")) return container("matroska")
  if (text.startsWith("fLaC")) return container("flac")
  // Ogg may hold pictures too (Theora, Daala), of which mediabunny tells nothing: those go to ffprobe.
  if (text.startsWith("OggS")) return /theora|daala|BBCD|OVP80/.test(text) ? { type: "other" } : container("ogg")
  if (/^(RIFF|RIFX|RF64).{4}WAVE/s.test(text)) return container("wav")
  if (text.startsWith("ID3")) return container("mp3")
  if (head[0] === 0xff && ((head[1] ?? 0) & 0xf6) === 0xf0) return container("adts")
  if (head[0] === 0xff && ((head[1] ?? 0) & 0xe0) === 0xe0) return container("mp3")
  return isText(head) ? { type: "text" } : { type: "other" }
}

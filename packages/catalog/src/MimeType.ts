import type { MediaType } from "@joy/domain/MediaItem"

/** By file-name ending, for objects whose container says too little (IANA media types registry). */
const byExtension: Record<string, string> = {
  "3gp": "video/3gpp",
  aac: "audio/aac",
  arw: "image/x-sony-arw",
  avi: "video/x-msvideo",
  avif: "image/avif",
  cr2: "image/x-canon-cr2",
  cr3: "image/x-canon-cr3",
  dng: "image/x-adobe-dng",
  flac: "audio/flac",
  flv: "video/x-flv",
  gif: "image/gif",
  heic: "image/heic",
  heif: "image/heif",
  jpeg: "image/jpeg",
  jpg: "image/jpeg",
  m4a: "audio/mp4",
  m4b: "audio/mp4",
  m4v: "video/mp4",
  mka: "audio/x-matroska",
  mkv: "video/x-matroska",
  mov: "video/quicktime",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  mpeg: "video/mpeg",
  mpg: "video/mpeg",
  mts: "video/mp2t",
  m2ts: "video/mp2t",
  nef: "image/x-nikon-nef",
  oga: "audio/ogg",
  ogg: "audio/ogg",
  ogv: "video/ogg",
  opus: "audio/ogg",
  orf: "image/x-olympus-orf",
  pef: "image/x-pentax-pef",
  png: "image/png",
  raf: "image/x-fuji-raf",
  rw2: "image/x-panasonic-rw2",
  srw: "image/x-samsung-srw",
  tif: "image/tiff",
  tiff: "image/tiff",
  ts: "video/mp2t",
  wav: "audio/wav",
  webm: "video/webm",
  webp: "image/webp",
  wma: "audio/x-ms-wma",
  wmv: "video/x-ms-wmv"
}

/**
 * The exact media type of an original, never one that a browser would run as a document: an ending that disagrees with
 * what the object was found to hold gives `<type>/*`'s safe stand-in.
 */
export const mimeTypeOf = (key: string, type: MediaType): string => {
  const known = byExtension[key.slice(key.lastIndexOf(".") + 1).toLowerCase()]
  if (known === undefined) return "application/octet-stream"
  if (known.startsWith(`${type}/`)) return known
  // A container such as Ogg, Matroska or MP4 names either kind.
  const swapped = `${type}/${known.slice(known.indexOf("/") + 1)}`
  return Object.values(byExtension).includes(swapped) ? swapped : "application/octet-stream"
}

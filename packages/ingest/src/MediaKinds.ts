import { matchesGlob } from "node:path"

import type { MediaType } from "@joy/domain/MediaItem"

/**
 * Which keys are media. The ending decides what is looked at; what an object is, its bytes say later. Not looked at:
 *
 * - other endings: sidecars (`.srt`, `.nfo`, `.xmp`), half-done downloads (`.part`, `.crdownload`), `Thumbs.db`;
 * - hidden names, which are somebody's bookkeeping: `._movie.mp4` (AppleDouble), `.Trash-1000/…`, `.rsync-partial/…`;
 * - what file servers keep beside the files: `@eaDir`, `#recycle`, `$RECYCLE.BIN`, `lost+found`;
 * - what `INGEST_IGNORE` names.
 */

const endings: Record<MediaType, string> = {
  video: "3g2 3gp asf avi divx f4v flv m2ts m4v mkv mov mp4 mpeg mpg mts mxf ogv ts vob webm wmv",
  audio: "aac ac3 aif aiff amr ape flac m4a m4b mka mp2 mp3 oga ogg opus wav wma wv",
  image: "arw avif bmp cr2 cr3 dng gif heic heif jfif jpeg jpg jxl nef orf pef png raf rw2 srw tif tiff webp"
}

const typeByEnding: ReadonlyMap<string, MediaType> = new Map(
  (["video", "audio", "image"] as const).flatMap((type) =>
    endings[type].split(" ").map((ending) => [ending, type] as const)
  )
)

const keptByServers = new Set(["@eadir", "#recycle", "$recycle.bin", "lost+found", "system volume information"])

const isBookkeeping = (key: string): boolean =>
  key.split("/").some((part) => part.startsWith(".") || keptByServers.has(part.toLowerCase()))

const baseName = (key: string): string => key.slice(key.lastIndexOf("/") + 1)

export interface MediaKinds {
  /** What the key's ending says; `null` for what is not media. */
  readonly typeOf: (key: string) => MediaType | null
}

/** A glob with a `/` is held against the whole key, one without against each part of it, as in a `.gitignore`. */
export const make = (ignore: ReadonlyArray<string>): MediaKinds => {
  const whole = ignore.filter((glob) => glob.includes("/")).map((glob) => glob.replace(/^\//, ""))
  const parts = ignore.filter((glob) => !glob.includes("/"))
  const isIgnored = (key: string): boolean =>
    whole.some((glob) => matchesGlob(key, glob) || (glob.endsWith("/") && key.startsWith(glob))) ||
    (parts.length > 0 && key.split("/").some((part) => parts.some((glob) => matchesGlob(part, glob))))
  return {
    typeOf: (key) => {
      const name = baseName(key)
      const type = typeByEnding.get(name.slice(name.lastIndexOf(".") + 1).toLowerCase())
      return type === undefined || !name.includes(".") || isBookkeeping(key) || isIgnored(key) ? null : type
    }
  }
}

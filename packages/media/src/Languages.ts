const names = new Intl.DisplayNames("en", { type: "language", fallback: "none" })

/** ISO 639-1, for finding a language by its English name. */
const codes =
  "af am ar az be bg bn bs ca cs cy da de el en eo es et eu fa fi fr ga gl gu he hi hr hu hy id is it ja ka kk km kn ko ku ky la lo lt lv mk ml mn mr ms my nb ne nl nn no pa pl ps pt ro ru si sk sl sq sr sv sw ta te th tl tr uk ur uz vi zh zu".split(
    " "
  )
const byName = new Map(codes.map((code) => [names.of(code)?.toLowerCase() ?? code, code]))

const canonical = (tag: string): string | null => {
  try {
    const [locale = null] = Intl.getCanonicalLocales(tag)
    return locale
  } catch {
    return null
  }
}

/**
 * The BCP 47 tag that a text stands for: `en` of `eng` and `English`, `de` of `ger`, `pt-BR` of `pt_br`. `null` for what is
 * no language, `und` among it.
 */
export const languageTag = (text: string | null): string | null => {
  const trimmed = text?.trim().replaceAll("_", "-") ?? ""
  const named = byName.get(trimmed.toLowerCase())
  if (named !== undefined) return named
  if (!/^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$/.test(trimmed)) return null
  const tag = canonical(trimmed)
  return tag === null || tag === "und" || names.of(tag) === undefined ? null : tag
}

/** Its English name: `Brazilian Portuguese`. */
export const languageName = (tag: string): string => names.of(tag) ?? tag

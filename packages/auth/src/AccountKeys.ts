/** Text that the database takes: Postgres has no NUL. What had one is found nowhere. */
export const storable = (text: string): string => text.replaceAll("\0", "\uFFFD")

/** What fonts show nothing of, such as joiners and variation selectors (Unicode, Default_Ignorable_Code_Point). */
const invisible = /\p{DI}/gu

/**
 * The form in which names and addresses are compared: two spellings that look alike to people, in case, in how accents
 * are composed, in width (a full-width `A`), or for what can't be seen, are one (Unicode, NFKC_Casefold). NFKC is stricter
 * than NFC and gives NFC text too. Through upper case and back stands for full case folding, which JavaScript lacks: ß and
 * SS, σ and ς come out the same.
 */
export const fold = (text: string): string =>
  storable(text).normalize("NFKC").replace(invisible, "").trim().toUpperCase().toLowerCase().normalize("NFKC")

/** What somebody typed to sign in: an address if it has an `@`, which no username has. */
export const identifier = (typed: string): { readonly kind: "email" | "username"; readonly key: string } => ({
  kind: typed.includes("@") ? "email" : "username",
  key: fold(typed)
})

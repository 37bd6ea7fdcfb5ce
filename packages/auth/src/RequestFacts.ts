import type { RequestFacts } from "@joy/domain/RequestFacts"

/** Nobody's request: the command line, the first start. */
export const none: RequestFacts = { ip: null, userAgent: null }

const control = /\p{Cc}|\p{Zl}|\p{Zp}/gu

const escape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/**
 * Text of strangers as one line of at most `maxLength` characters: a line break can't forge another entry of a log,
 * and NUL, which Postgres refuses in text, can't make a request fail.
 */
export const oneLine = (text: string, maxLength = 512): string => text.slice(0, maxLength).replace(control, escape)

/** Makes the facts fit to be stored. */
export const clean = (facts: RequestFacts): RequestFacts => ({
  ip: facts.ip === null ? null : oneLine(facts.ip, 64),
  userAgent: facts.userAgent === null ? null : oneLine(facts.userAgent)
})

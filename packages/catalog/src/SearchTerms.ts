import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"

import { decodeRows } from "./ItemRows.ts"
import { distance } from "./WordDistance.ts"

/** Words beyond these are not looked for. */
const mostTerms = 8
/** Words that stand for one that was typed wrong. */
const mostNear = 16

/** What was typed, as the database looks for it. */
export interface SearchPlan {
  /** How an item is called that has just this title. */
  readonly title: string
  /** Texts of `tsquery`, from what was meant most likely to what may have been meant. */
  readonly levels: ReadonlyArray<string>
  /** Any of the words: as they were typed, as the beginning of words, with what they may have been meant for. */
  readonly ranks: { readonly exact: string; readonly begun: string; readonly near: string }
}

const Found = Schema.Struct({
  title: Schema.String,
  term: Schema.NullOr(Schema.String),
  known: Schema.Boolean,
  near: Schema.Array(Schema.String)
})

const NearWord = Schema.Struct({ term: Schema.String, word: Schema.String })

/** A word with all that it may have been meant for. */
interface Term {
  readonly text: string
  /** There is a word that is it, or begins with it. */
  readonly known: boolean
  readonly near: ReadonlyArray<string>
}

const lexeme = (word: string) => `'${word.replaceAll("\\", "\\\\").replaceAll("'", "''")}'`
const isLong = (text: string, letters: number) => [...text].length >= letters || text > "\u0e00"
/** Few letters begin too many words: one means none of them, and two only where all that was typed is meant. */
const begun = (text: string, letters = 3) => (isLong(text, letters) ? `${lexeme(text)}:*` : lexeme(text))
const loose = ({ near, text }: Term) => `(${[begun(text), ...near.map(lexeme)].join(" | ")})`
const strict = (term: Term) => (term.known ? begun(term.text, 2) : loose(term))

const all = (parts: ReadonlyArray<string>) => parts.join(" & ")
const any = (parts: ReadonlyArray<string>) => parts.map((part) => `(${part})`).join(" | ")
const without = <A>(list: ReadonlyArray<A>, at: number) => list.toSpliced(at, 1)

/** All of the words, or two neighbours written as one. */
const whole = (terms: ReadonlyArray<Term>, part: (term: Term) => string) =>
  any([
    all(terms.map(part)),
    ...terms.slice(1).map((term, at) => {
      const joined = lexeme(`${terms[at]?.text ?? ""}${term.text}`)
      return all([...terms.slice(0, at).map(part), joined, ...terms.slice(at + 2).map(part)])
    })
  ])

const levelsOf = (terms: ReadonlyArray<Term>): ReadonlyArray<string> => {
  const levels = [whole(terms, strict), whole(terms, loose)]
  // What is left out may be anything but the words that say most.
  const long = terms.filter(({ text }) => isLong(text, 4))
  if (terms.length > 2) levels.push(any(terms.map((_, at) => all(without(terms, at).map(loose)))))
  if (long.length > 0 && terms.length > 1) levels.push(any(long.map(loose)))
  return [...new Set(levels)]
}

/** How far a word may be from the one that was typed. */
const furthest = (text: string) => (text.length < 6 ? 1 : text.length < 10 ? 2 : 3)

const nearest = (text: string, words: ReadonlyArray<string>): ReadonlyArray<string> =>
  words
    .filter((word) => word !== text)
    .map((word) => ({ word, far: word.includes(text) ? 1 : distance(text, word, furthest(text)) }))
    .filter(({ far }) => far <= furthest(text))
    .toSorted((a, b) => a.far - b.far || a.word.length - b.word.length || (a.word < b.word ? -1 : 1))
    .slice(0, mostNear)
    .map(({ word }) => word)

/** Takes apart what was typed. */
export const make = (sql: SqlClient.SqlClient) => {
  const decode = decodeRows(Found)
  const decodeNear = decodeRows(NearWord)

  const find = (typed: string) =>
    decode(sql`
      SELECT search_title(${typed}) AS title, term,
        coalesce(length(term), 0) < 4 OR EXISTS (
          SELECT FROM search_words WHERE word >= term COLLATE "C" AND word < (term || chr(1114109)) COLLATE "C"
        ) AS known,
        CASE WHEN length(term) BETWEEN 4 AND 24 AND term !~ '[0-9]' THEN
          ARRAY(SELECT DISTINCT word FROM search_words WHERE variants && search_variants(term) LIMIT 256)
        ELSE '{}' END AS near
      FROM (SELECT 1) AS one LEFT JOIN (
        SELECT term, min(place) AS place FROM unnest(search_terms(${typed})) WITH ORDINALITY AS terms (term, place)
        GROUP BY term ORDER BY place LIMIT ${mostTerms}::integer
      ) AS terms ON true ORDER BY place`)

  /** For words that nothing is near by one letter: those that have the most in common with them, or hold them. */
  const similar = (terms: ReadonlyArray<string>) =>
    decodeNear(sql`
      SELECT term, word FROM unnest(${terms}::text[]) AS term CROSS JOIN LATERAL (
        (SELECT DISTINCT word, similarity(word, term) AS likeness FROM search_words WHERE word % term
          ORDER BY likeness DESC, word LIMIT 32)
        UNION (SELECT DISTINCT word, 0 FROM search_words WHERE word LIKE '%' || term || '%' LIMIT 32)
      ) AS alike`)

  return Effect.fnUntraced(function* (typed: string): Effect.fn.Return<SearchPlan | null> {
    const found = yield* find(typed)
    const title = found[0]?.title ?? ""
    const terms: ReadonlyArray<Term> = found.flatMap(({ known, near, term }) =>
      term === null ? [] : [{ text: term, known, near: nearest(term, near) }]
    )
    if (terms.length === 0) return null
    const lost = terms.filter(({ known, near, text }) => !known && near.length === 0 && !/\d/.test(text))
    const similarWords = lost.length === 0 ? [] : yield* similar(lost.map(({ text }) => text))
    const complete = terms.map((term) => {
      const alike = similarWords.flatMap(({ term: of, word }) => (of === term.text ? [word] : []))
      return alike.length === 0 ? term : { text: term.text, known: false, near: nearest(term.text, alike) }
    })
    return {
      title,
      levels: levelsOf(complete),
      ranks: {
        exact: any(complete.map(({ text }) => lexeme(text))),
        begun: any(complete.map(({ text }) => begun(text, 2))),
        near: any(complete.map(loose))
      }
    }
  })
}

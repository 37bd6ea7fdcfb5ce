import { assert, layer } from "@effect/vitest"
import { MediaItems } from "@joy/catalog/MediaItems"
import { MediaListQuery } from "@joy/domain/MediaApi"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"

import { addItem, addUser, as, services } from "./TestCatalog.ts"

interface Entry {
  readonly title: string
  readonly tags?: ReadonlyArray<string>
  readonly description?: string
  readonly metadata?: Readonly<Record<string, string>>
  readonly capturedAt?: string
  readonly key?: string
}

/** A shelf on which each search has something to be mistaken for. */
const shelf: ReadonlyArray<Entry> = [
  { title: "Blade Runner (1982)", tags: ["science fiction", "noir"], description: "A detective hunts replicants" },
  { title: "Blade Runner 2049", tags: ["science fiction"] },
  { title: "The Runner" },
  { title: "Blade" },
  { title: "Alien" },
  { title: "Aliens" },
  { title: "Alien Resurrection", description: "Alien, alien and again alien" },
  { title: "The Lord of the Rings: The Fellowship of the Ring (2001)" },
  { title: "The Lord of the Rings: The Two Towers (2002)" },
  { title: "Lord of the Flies" },
  { title: "The Ring" },
  { title: "Amélie", description: "Le fabuleux destin d'Amélie Poulain" },
  { title: "Emily" },
  { title: "Léon: The Professional" },
  { title: "Spider-Man: Homecoming" },
  { title: "Spider" },
  { title: "Ocean's Eleven" },
  { title: "Oceans" },
  { title: "WALL·E" },
  { title: "Das weiße Band" },
  { title: "Die fabelhafte Welt der Straße" },
  { title: "Smultronstället", description: "Wild strawberries" },
  { title: "Władca pierścieni" },
  { title: "Þrestir" },
  { title: "Malcolm X" },
  { title: "Æon Flux" },
  { title: "Mission: Impossible – Fallout" },
  { title: "Se7en" },
  { title: "2001: A Space Odyssey" },
  { title: "The Godfather Part II" },
  { title: "The Godfather" },
  { title: "Crouching Tiger, Hidden Dragon" },
  { title: "Harry Potter and the Prisoner of Azkaban" },
  { title: "Harry Potter and the Philosopher's Stone" },
  { title: "The Shawshank Redemption" },
  { title: "Eternal Sunshine of the Spotless Mind" },
  { title: "Schindler's List" },
  { title: "Pulp Fiction" },
  { title: "Interstellar" },
  { title: "Inception" },
  { title: "Ирония судьбы, или С лёгким паром!" },
  { title: "Сталкер" },
  { title: "Иди и смотри" },
  { title: "千と千尋の神隠し" },
  { title: "もののけ姫" },
  { title: "となりのトトロ" },
  { title: "七人の侍" },
  { title: "기생충" },
  { title: "올드보이" },
  { title: "霸王别姬" },
  { title: "كفرناحوم" },
  { title: "المُومِيَاء" },
  { title: "Σίσυφος" },
  { title: "ואלס עם באשיר" },
  { title: "शोले" },
  { title: "สัตว์ประหลาด" },
  { title: "Party 🎉 2023" },
  { title: "Hyperballad", metadata: { artist: "Björk", album: "Post", date: "1995" } },
  { title: "Army of Me", metadata: { artist: "Björk", album: "Post", date: "1995" } },
  { title: "Bohemian Rhapsody", metadata: { artist: "Queen", album: "A Night at the Opera" } },
  { title: "The Queen" },
  { title: "So What", metadata: { artist: "Miles Davis", album: "Kind of Blue", date: "1959-08-17" } },
  { title: "Harbour at dawn", metadata: { make: "FUJIFILM", model: "X-T4" }, capturedAt: "2021-07-14T04:55:00Z" },
  { title: "Harbour at noon", metadata: { make: "Canon", model: "EOS R5" }, capturedAt: "2022-07-14T12:00:00Z" },
  { title: "Our wedding", key: "photos/DSC04711 kisses.mp4" },
  { title: "Summer", tags: ["été", "vacances"] },
  { title: "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb" },
  { title: "Good Will Hunting" },
  { title: "AC/DC live at River Plate" },
  { title: "C++ in an hour" }
]

/** What somebody types, and what they mean by it. */
const searches: ReadonlyArray<readonly [typed: string, meant: string]> = [
  // As it is called, or nearly.
  ["blade runner", "Blade Runner (1982)"],
  ["Blade Runner 2049", "Blade Runner 2049"],
  ["alien", "Alien"],
  ["aliens", "Aliens"],
  ["blade", "Blade"],
  ["the ring", "The Ring"],
  ["the godfather", "The Godfather"],
  ["malcolm x", "Malcolm X"],
  ["the queen", "The Queen"],
  // Typed wrong.
  ["blde runner", "Blade Runner (1982)"],
  ["blade runer 2049", "Blade Runner 2049"],
  ["balde runner 2049", "Blade Runner 2049"],
  ["interstelar", "Interstellar"],
  ["intersteller", "Interstellar"],
  ["incpetion", "Inception"],
  ["shawshenk redemtion", "The Shawshank Redemption"],
  ["shindlers list", "Schindler's List"],
  ["pulp fictoin", "Pulp Fiction"],
  ["crouchin tigre", "Crouching Tiger, Hidden Dragon"],
  ["harry poter azkaban", "Harry Potter and the Prisoner of Azkaban"],
  ["harry potter philosofers stone", "Harry Potter and the Philosopher's Stone"],
  ["resurection", "Alien Resurrection"],
  ["strangelov", "Dr. Strangelove or: How I Learned to Stop Worrying and Love the Bomb"],
  ["bohemain rapsody", "Bohemian Rhapsody"],
  ["odissey", "2001: A Space Odyssey"],
  ["imposible fallout", "Mission: Impossible – Fallout"],
  ["good will huntign", "Good Will Hunting"],
  // In another order, with words that are missing or too many.
  ["runner blade", "Blade Runner (1982)"],
  ["towers lord rings", "The Lord of the Rings: The Two Towers (2002)"],
  ["fellowship ring", "The Lord of the Rings: The Fellowship of the Ring (2001)"],
  ["flies lord", "Lord of the Flies"],
  ["blade runner 1982 final cut remastered", "Blade Runner (1982)"],
  ["godfather 2 part ii", "The Godfather Part II"],
  ["spotless mind eternal", "Eternal Sunshine of the Spotless Mind"],
  ["hidden tiger", "Crouching Tiger, Hidden Dragon"],
  // Without accents, with others, in other letters.
  ["amelie", "Amélie"],
  ["AMÉLIE POULAIN", "Amélie"],
  ["leon", "Léon: The Professional"],
  ["das weisse band", "Das weiße Band"],
  ["strasse", "Die fabelhafte Welt der Straße"],
  ["smultronstallet", "Smultronstället"],
  ["wladca pierscieni", "Władca pierścieni"],
  ["threstir", "Þrestir"],
  ["aeon flux", "Æon Flux"],
  ["ｂｌａｄｅ　ｒｕｎｎｅｒ　２０４９", "Blade Runner 2049"],
  // Hyphens, apostrophes, dots, and words in one.
  ["spiderman", "Spider-Man: Homecoming"],
  ["spider man", "Spider-Man: Homecoming"],
  ["oceans eleven", "Ocean's Eleven"],
  ["wall-e", "WALL·E"],
  ["seven se7en", "Se7en"],
  ["acdc river plate", "AC/DC live at River Plate"],
  // A part of it.
  ["inters", "Interstellar"],
  ["shaw", "The Shawshank Redemption"],
  ["bl run 20", "Blade Runner 2049"],
  // Other scripts.
  ["ИРОНИЯ СУДЬБЫ", "Ирония судьбы, или С лёгким паром!"],
  ["легким паром", "Ирония судьбы, или С лёгким паром!"],
  ["сталкир", "Сталкер"],
  ["смотри иди", "Иди и смотри"],
  ["千尋", "千と千尋の神隠し"],
  ["神隠し", "千と千尋の神隠し"],
  ["トトロ", "となりのトトロ"],
  ["侍", "七人の侍"],
  ["ﾄﾄﾛ", "となりのトトロ"],
  ["기생", "기생충"],
  ["霸王", "霸王别姬"],
  ["كفرناحوم", "كفرناحوم"],
  ["المومياء", "المُومِيَاء"],
  ["σισυφοσ", "Σίσυφος"],
  ["באשיר", "ואלס עם באשיר"],
  ["शोले", "शोले"],
  ["ประหลาด", "สัตว์ประหลาด"],
  ["🎉", "Party 🎉 2023"],
  // What files and people say of it.
  ["bjork hyperballad", "Hyperballad"],
  ["bjork army", "Army of Me"],
  ["björk post 1995 hyper", "Hyperballad"],
  ["miles davis", "So What"],
  ["kind of blue 1959", "So What"],
  ["queen opera", "Bohemian Rhapsody"],
  ["fujifilm", "Harbour at dawn"],
  ["harbour 2022", "Harbour at noon"],
  ["canon harbor", "Harbour at noon"],
  ["dsc04711", "Our wedding"],
  ["ete", "Summer"],
  ["detective replicants", "Blade Runner (1982)"],
  ["noir science", "Blade Runner (1982)"]
]

const stock = Effect.fnUntraced(function* () {
  const sql = yield* SqlClient.SqlClient
  for (const { capturedAt, description, key, metadata, tags, title } of shelf) {
    const id = yield* addItem({ title, ...(tags === undefined ? {} : { tags }) })
    yield* sql`
      UPDATE media_items SET description = ${description ?? null}::text, captured_at = ${capturedAt ?? null}::timestamptz,
        metadata = ${JSON.stringify({ tags: metadata ?? {} })}::text::jsonb, s3_key = ${key ?? `films/${id}.mp4`}
      WHERE id = ${id}`
  }
})

const decodes = (q: string) => Exit.isSuccess(Schema.decodeUnknownExit(MediaListQuery)({ q }))

layer(services)("a search", (it) => {
  it.effect("finds first what was meant, however it was typed", () =>
    Effect.gen(function* () {
      yield* stock()
      const items = yield* MediaItems
      const wrong: Array<string> = []
      for (const [typed, meant] of searches) {
        const found = yield* items.list({ q: typed, limit: 5 }).pipe(as("viewer"))
        const titles = found.items.map(({ title }) => title)
        if (titles[0] !== meant) wrong.push(`${typed}: meant ${meant}, found ${titles.join(" | ")}`)
      }
      assert.isAtLeast(searches.length, 60)
      assert.deepStrictEqual(wrong, [])
    })
  )

  it.effect("takes whatever is typed", () =>
    Effect.gen(function* () {
      const items = yield* MediaItems
      const odd = [
        "a",
        "&",
        "|",
        "!",
        ":*",
        "<->",
        "a & b | !c:*",
        "(",
        "')--",
        "\\",
        "%",
        "_",
        "%%%",
        "NOT AND OR",
        '"blade',
        "-blade",
        "\u0001\u0007\u001b[31m",
        "\u202e\u200b\ufeff",
        "🎉🎉🎉",
        "👨‍👩‍👧",
        "\u0301\u0301",
        "\ud800",
        "’'’",
        "٣٤٥",
        "½",
        "x".repeat(200),
        "'".repeat(200),
        "a ".repeat(100),
        "ab ".repeat(66),
        "千".repeat(200),
        "1 2 3 4 5 6 7 8 9 10 11 12",
        ".*",
        "[a-z]+",
        "$1",
        "\n\t"
      ]
      for (const q of odd) {
        for (const sort of ["relevance", "title"] as const) {
          const { items: found } = yield* items.list({ q, sort }).pipe(as("viewer"))
          assert.isAtMost(found.length, 50, q)
        }
      }
      const noWords = ["&", "'", "%", "\u200b"]
      for (const q of noWords) assert.deepStrictEqual((yield* items.list({ q }).pipe(as("viewer"))).items, [], q)
      // Nothing was typed: nothing is left out.
      assert.isNotEmpty((yield* items.list({ q: "   " }).pipe(as("viewer"))).items)
    })
  )

  it("is refused before it costs anything when it is too long, or no text", () => {
    assert.isTrue(decodes("x".repeat(200)))
    assert.isFalse(decodes("x".repeat(201)))
    assert.isFalse(decodes("blade runner ".repeat(800)))
    assert.isFalse(decodes("blade\u0000runner"))
  })

  it.effect("finds what may be seen alone, and what it is called now", () =>
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const items = yield* MediaItems
      const owner = yield* addUser("ada")
      const hidden = yield* addItem({ title: "Zanzibar diaries", owner })
      const find = (q: string, user?: typeof owner) =>
        items.list({ q }).pipe(
          Effect.map(({ items }) => items.map(({ id }) => id)),
          as("viewer", user)
        )
      for (const q of ["zanzibar", "zanzibra", "zanz", "Zanzibar diaries"]) {
        assert.deepStrictEqual(yield* find(q), [], q)
        assert.deepStrictEqual(yield* find(q, owner), [hidden], q)
      }
      yield* sql`UPDATE media_items SET title = 'Samarkand notes' WHERE id = ${hidden}`
      assert.deepStrictEqual(yield* find("zanzibar", owner), [])
      assert.deepStrictEqual(yield* find("samarkent", owner), [hidden])
    })
  )
})

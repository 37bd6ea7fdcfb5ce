import { assert, describe, it } from "@effect/vitest"
import * as ByteRanges from "@joy/playback/ByteRanges"
import * as fc from "fast-check"

const version = { etag: "abc", sizeBytes: 1000, modifiedAt: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }
const decide = (request: ByteRanges.ContentRequest) => ByteRanges.decide(request, version)
const partial = (start: number, end: number) => ({ _tag: "Partial", start, end }) as const

const lastModified = "Fri, 02 Jan 2026 03:04:05 GMT"
const before = "Fri, 02 Jan 2026 03:04:04 GMT"

describe("the bytes that a Range asks for", () => {
  for (const [range, expected] of [
    [undefined, { _tag: "Whole" }],
    ["bytes=0-0", partial(0, 0)],
    ["bytes=0-", partial(0, 999)],
    ["bytes=10-19", partial(10, 19)],
    ["bytes=999-", partial(999, 999)],
    ["bytes=990-5000", partial(990, 999)],
    ["bytes=-1", partial(999, 999)],
    ["bytes=-5000", partial(0, 999)],
    ["Bytes = 1 - 2", { _tag: "Whole" }],
    ["BYTES=1-2", partial(1, 2)],
    ["bytes=1000-", { _tag: "NotSatisfiable" }],
    ["bytes=-0", { _tag: "NotSatisfiable" }],
    ["bytes=9-3", { _tag: "Whole" }],
    ["bytes=-", { _tag: "Whole" }],
    ["bytes=0-1,5-6", { _tag: "Whole" }],
    ["bytes=0x10-", { _tag: "Whole" }],
    ["bytes=99999999999999999999-", { _tag: "Whole" }],
    ["items=0-1", { _tag: "Whole" }],
    ["", { _tag: "Whole" }]
  ] as const) {
    it(`answers ${JSON.stringify(range)} with ${JSON.stringify(expected)}`, () => {
      assert.deepStrictEqual(decide({ range }), expected)
    })
  }

  it("has no satisfiable range in an empty object", () => {
    const empty = { ...version, sizeBytes: 0 }
    assert.deepStrictEqual(ByteRanges.decide({ range: "bytes=0-" }, empty), { _tag: "NotSatisfiable" })
    assert.deepStrictEqual(ByteRanges.decide({ range: "bytes=-1" }, empty), { _tag: "NotSatisfiable" })
    assert.deepStrictEqual(ByteRanges.decide({}, empty), { _tag: "Whole" })
  })

  it("never leaves the object, whatever the header says [M9]", () => {
    fc.assert(
      fc.property(fc.string(), fc.nat(), fc.option(fc.nat()), fc.nat({ max: 5000 }), (noise, start, end, sizeBytes) => {
        for (const range of [noise, `bytes=${noise}`, `bytes=${start}-${end ?? ""}`, `bytes=-${start}`]) {
          const decision = ByteRanges.decide({ range }, { ...version, sizeBytes })
          if (decision._tag !== "Partial") continue
          assert.isTrue(0 <= decision.start && decision.start <= decision.end && decision.end < sizeBytes)
        }
      })
    )
  })
})

describe("preconditions", () => {
  it("do not heed dates where no date of the content is known", () => {
    const undated = { ...version, modifiedAt: null }
    for (const request of [{ ifModifiedSince: lastModified }, { ifUnmodifiedSince: before }]) {
      assert.deepStrictEqual(ByteRanges.decide(request, undated), { _tag: "Whole" })
    }
    assert.deepStrictEqual(ByteRanges.decide({ range: "bytes=0-1", ifRange: lastModified }, undated), { _tag: "Whole" })
    assert.strictEqual(ByteRanges.decide({ ifNoneMatch: '"abc"' }, undated)._tag, "NotModified")
  })

  for (const [name, request, expected] of [
    ["sends 304 for the version that the client has", { ifNoneMatch: '"abc"' }, "NotModified"],
    ["compares If-None-Match weakly", { ifNoneMatch: 'W/"abc"' }, "NotModified"],
    ["finds the tag in a list", { ifNoneMatch: '"x", "abc"' }, "NotModified"],
    ["takes * for any version", { ifNoneMatch: "*" }, "NotModified"],
    ["sends another version", { ifNoneMatch: '"other"' }, "Whole"],
    ["sends 304 before it looks at the range", { ifNoneMatch: '"abc"', range: "bytes=5000-" }, "NotModified"],
    ["prefers If-None-Match to the date", { ifNoneMatch: '"other"', ifModifiedSince: lastModified }, "Whole"],
    ["sends 304 when nothing changed since", { ifModifiedSince: lastModified }, "NotModified"],
    ["sends what changed since", { ifModifiedSince: before }, "Whole"],
    ["ignores a date that is none", { ifModifiedSince: "yesterday" }, "Whole"],
    ["refuses another version than asked for", { ifMatch: '"other"' }, "PreconditionFailed"],
    ["sends the version that is asked for", { ifMatch: '"abc"' }, "Whole"],
    ["compares If-Match strongly", { ifMatch: 'W/"abc"' }, "PreconditionFailed"],
    ["refuses what changed since", { ifUnmodifiedSince: before }, "PreconditionFailed"],
    ["sends a range of the version that the client has", { range: "bytes=0-1", ifRange: '"abc"' }, "Partial"],
    ["sends all when the client has another version", { range: "bytes=0-1", ifRange: '"old"' }, "Whole"],
    ["never takes a weak tag in If-Range", { range: "bytes=0-1", ifRange: 'W/"abc"' }, "Whole"],
    ["takes the exact date in If-Range", { range: "bytes=0-1", ifRange: lastModified }, "Partial"],
    ["sends all for another date in If-Range", { range: "bytes=0-1", ifRange: before }, "Whole"]
  ] as const) {
    it(`${name}`, () => {
      assert.strictEqual(decide(request)._tag, expected)
    })
  }
})

import { mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"

import { assert, it } from "@effect/vitest"
import * as Joy from "@joy/testing/Joy"
import * as JoyUp from "@joy/testing/JoyUp"
import { describeWith } from "@joy/testing/Needs"
import * as TraceCollector from "@joy/testing/TraceCollector"
import * as Effect from "effect/Effect"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"

describeWith(["ffmpeg"], "Traces", () => {
  it.live("go from whoever asks through the request into the steps of ingest, without a secret", () =>
    Effect.gen(function* () {
      const collector = yield* TraceCollector.start
      const folder = yield* Joy.folder
      const library = join(folder, "library")
      mkdirSync(library)
      writeFileSync(join(library, "broken.mp4"), "no film")
      const { request, signIn, ...up } = yield* JoyUp.up(folder, {
        MEDIA_DIR: library,
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
      })
      const { client, token } = yield* signIn("admin", up.password ?? "")
      const failures = Effect.orDie(client.media.failures({ query: {} }))
      const { items } = yield* Joy.until(failures, ({ items }) => items.length === 1, { what: "broken.mp4 failed" })
      const id = items[0]?.id ?? ""
      const answer = yield* request(`/media/${id}/retry`, {
        method: "POST",
        token,
        headers: { traceparent: `00-${traceId}-00f067aa0ba902b7-01` }
      })
      assert.strictEqual(answer.status, 202)
      yield* request(`/media/${id}/thumbnail?exp=1&sig=not-for-collectors`)

      const named = (name: string) => collector.spans().filter((span) => span.name === name)
      const spans = yield* Joy.until(
        Effect.sync(() => collector.spans().filter((span) => span.traceId === traceId)),
        (spans) => spans.some(({ name }) => name === "IngestSteps.conclude"),
        { what: "a span of the step" }
      )
      const asked = spans.find(({ name }) => name === "POST /media/:id/retry")
      assert.strictEqual(asked?.parentSpanId, "00f067aa0ba902b7")
      assert.isTrue(spans.some(({ name }) => name === "IngestSteps.probe"))
      yield* Joy.until(
        Effect.sync(() => named("GET /media/:id/thumbnail")),
        (found) => found.length > 0
      )
      for (const secret of [token, "not-for-collectors", id]) assert.notInclude(collector.received(), secret)
    }).pipe(Effect.scoped)
  )
})

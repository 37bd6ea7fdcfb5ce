import { mkdirSync } from "node:fs"
import { join } from "node:path"

import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { chromium as launcher } from "playwright-core"

import { chromium } from "./Executables.ts"

/** Pictures of pages lie here after a run. */
const pictures = join(import.meta.dirname, "..", ".tmp", "player")

/** A page that is open. */
export interface Tab {
  /** Runs an expression in it, waits where that is a promise, and gives what comes out, which must be JSON. */
  readonly run: (expression: string) => Effect.Effect<unknown>
  readonly picture: (name: string) => Effect.Effect<void>
  /** What it wrote to its console as an error, and what it could not load. */
  readonly complaints: () => ReadonlyArray<string>
}

/** Chromium without a window, for tests inside of `describeWith(["chromium"], …)`. */
export class Browser extends Context.Service<
  Browser,
  { readonly open: (url: string) => Effect.Effect<Tab, never, Scope.Scope> }
>()("@joy/testing/Browser") {
  static readonly layer = Layer.effect(
    Browser,
    Effect.gen(function* () {
      const browser = yield* Effect.acquireRelease(
        Effect.promise(() =>
          launcher.launch({
            executablePath: chromium() ?? "chromium",
            // Root, as which CI runs, has no sandbox; nobody touches the page before it plays.
            args: ["--no-sandbox", "--autoplay-policy=no-user-gesture-required", "--disable-dev-shm-usage"]
          })
        ),
        (running) => Effect.promise(() => running.close())
      )

      const open = Effect.fnUntraced(function* (url: string) {
        const page = yield* Effect.acquireRelease(
          Effect.promise(() => browser.newPage()),
          (opened) => Effect.promise(() => opened.close())
        )
        const complaints: Array<string> = []
        page.on("console", (message) => {
          if (message.type() === "error") complaints.push(message.text())
        })
        page.on("pageerror", (error) => complaints.push(error.message))
        yield* Effect.promise(() => page.goto(url))
        return {
          run: (expression: string) => Effect.promise(() => page.evaluate<unknown>(expression)),
          picture: (name: string) =>
            Effect.promise(() => {
              mkdirSync(pictures, { recursive: true })
              return page.screenshot({ path: join(pictures, `${name}.png`) })
            }),
          complaints: () => complaints
        }
      })

      return Browser.of({ open })
    })
  )
}

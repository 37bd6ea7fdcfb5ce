import { describe, inject } from "vitest"

import type { Need } from "./TestServices.ts"

/** Why tests with these needs can't run here; `null` when they can. */
export const missing = (needs: ReadonlyArray<Need>): string | null => {
  const reasons = inject("missing")
  return needs.flatMap((need) => reasons[need] ?? [])[0] ?? null
}

/**
 * As `describe`, for tests that need something from the machine. Where that is missing they are skipped under a name
 * that says why; with `JOY_TEST_NO_SKIP=1` (as in CI) the file fails instead.
 */
export const describeWith = (needs: ReadonlyArray<Need>, name: string, body: () => void): void => {
  const reason = missing(needs)
  if (reason !== null && process.env["JOY_TEST_NO_SKIP"] === "1") throw new Error(`${name} can't run: ${reason}`)
  // oxlint-disable-next-line vitest/valid-describe-callback, vitest/valid-title -- the caller's, below
  const register = describe.skipIf(reason !== null)
  register(reason === null ? name : `${name} (skipped: ${reason})`, body)
}

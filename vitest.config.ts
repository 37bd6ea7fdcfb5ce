import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["packages/*/test/**/*.test.ts", "test/**/*.test.ts", "testing/test/**/*.test.ts"],
    globalSetup: ["testing/globalSetup.ts"],
    // A process of its own per file: files that start servers or change the process can't get at each other.
    pool: "forks",
    // Nothing here needs a time-out to pass; these end what hangs, also on a machine that is busy with other things.
    testTimeout: 60_000,
    hookTimeout: 120_000,
    teardownTimeout: 30_000
  }
})

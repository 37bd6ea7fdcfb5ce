import { defineConfig } from "vitest/config"

// For `vitest run --root packages/media`; the whole run has the same limits in its own configuration.
export default defineConfig({
  test: { include: ["test/**/*.test.ts"], pool: "forks", testTimeout: 60_000, hookTimeout: 120_000 }
})

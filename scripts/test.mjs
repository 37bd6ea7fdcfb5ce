import { join } from "node:path"

import { root } from "./lib/node.mjs"
import { runNode } from "./lib/run.mjs"

/** Every test, or those that the arguments name: `npm test -- packages/storage`. */
const report = process.env.JOY_TEST_REPORT ?? join(root, ".tmp", "test-report.json")

runNode([
  join(root, "node_modules", "vitest", "vitest.mjs"),
  "run",
  "--root",
  root,
  "--reporter=default",
  "--reporter=json",
  `--outputFile.json=${report}`,
  ...process.argv.slice(2)
])

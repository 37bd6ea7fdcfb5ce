import { installDependencies } from "./lib/dependencies.mjs"
import { requireNode } from "./lib/node.mjs"
import { installTools, onPath } from "./lib/tools.mjs"

/**
 * Sets up what is missing, for `start` or for `test`; without either only what npm installs. Runs on Node.js 20 and
 * with nothing installed; what is there already costs next to nothing.
 */
const mode = process.argv[2]

installDependencies()
requireNode()
if (mode === "start") installTools(["ffmpeg"])
if (mode === "test") {
  installTools(["ffmpeg", "redis-server"])
  if ((process.env.TEST_S3_ENDPOINT ?? "") === "" && !onPath("versitygw")) {
    console.log("Not found: versitygw, and no TEST_S3_ENDPOINT (the tests that need an S3 server are skipped).")
  }
}

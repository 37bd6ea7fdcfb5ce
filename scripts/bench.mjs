import { join } from "node:path"

import { root } from "./lib/node.mjs"
import { runByName } from "./lib/run.mjs"

runByName(join(root, "bench"), "bench")

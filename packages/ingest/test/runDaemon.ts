import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as Layer from "effect/Layer"

import type { DaemonOptions } from "./RealDaemon.ts"
import * as RealDaemon from "./RealDaemon.ts"

// A daemon to be killed: `node runDaemon.ts <options as JSON>`.
const options: DaemonOptions = JSON.parse(process.argv[2] ?? "")
NodeRuntime.runMain(Layer.launch(RealDaemon.layer(options)))

#!/usr/bin/env node
// Before anything makes a schema: parsers that exist already are not replaced.
import "effect/schema/SchemaJITCompiler/enable"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"

import { reportFailure, teardown } from "./cli/Exit.ts"
import { joy } from "./cli/Joy.ts"
import * as DotEnv from "./config/DotEnv.ts"
import { version } from "./Version.ts"

Command.run(joy, { version }).pipe(
  reportFailure,
  Effect.provide([NodeServices.layer, DotEnv.layer]),
  NodeRuntime.runMain({ disableErrorReporting: true, teardown })
)

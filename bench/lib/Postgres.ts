import { join } from "node:path"

import * as EmbeddedPostgres from "@joy/server/postgres/EmbeddedPostgres"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"

/** A Postgres that runs already, as somebody has who starts `joy serve`. */
export const start = async (folder: string) => {
  const scope = Scope.makeUnsafe()
  const postgres = await Effect.runPromise(
    EmbeddedPostgres.start({ dataDir: join(folder, "postgres-beside") }).pipe(Effect.provideService(Scope.Scope, scope))
  )
  return {
    url: Redacted.value(postgres.url),
    /** The postmaster; the processes of its connections are below it. */
    pid: postgres.pid,
    stop: () => Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

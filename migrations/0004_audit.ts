import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The audit log is read by user: by who did something (0001 has that index) and by whom it was done to. */
export default Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX audit_log_subject ON audit_log (subject_id, created_at DESC, id DESC)`
})

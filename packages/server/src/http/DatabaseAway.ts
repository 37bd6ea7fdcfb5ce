import { isSqlError } from "effect/sql/SqlError"

/**
 * SQLSTATE classes of a server that is there and can't serve (PostgreSQL, appendix A): 08 connection exception, 53
 * insufficient resources, 57P operator intervention, which is also what it says while it recovers.
 */
const comesBack = /^(08|53|57P)/

const codeOf = (error: unknown, depth = 0): string => {
  if (typeof error !== "object" || error === null || depth > 4) return ""
  if ("code" in error && typeof error.code === "string" && /^[0-9A-Z]{5}$/.test(error.code)) return error.code
  return codeOf("reason" in error ? error.reason : "cause" in error ? error.cause : null, depth + 1)
}

/** Services let a lost connection die: only the edge knows that there is a client who can ask again. */
export const isDatabaseAway = (defect: unknown) =>
  isSqlError(defect) &&
  (defect.isRetryable || comesBack.test(codeOf(defect)) || /failed to connect/i.test(defect.message))

import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  randomUUID
} from "node:crypto"

import * as argon2 from "@node-rs/argon2"
import Fastify from "fastify"
import * as jose from "jose"
import { Pool } from "pg"

/**
 * What `login` is compared with: signing in and reading an item with Fastify, jose, argon2 and pg as most people write
 * it, on joy's own tables. It checks less (no session behind an access token, no audit log, no limits). Its argument is
 * the URL of the database; it prints its port.
 */
const [databaseUrl = ""] = process.argv.slice(2)
const pool = new Pool({ connectionString: databaseUrl, max: 10 })
const pair = generateKeyPairSync("ed25519")
const privateKey = createPrivateKey(pair.privateKey.export({ type: "pkcs8", format: "pem" }))
const publicKey = createPublicKey(privateKey)

const app = Fastify()

app.post<{ Body: { identifier: string; password: string } }>(
  "/auth/login",
  {
    schema: {
      body: {
        type: "object",
        required: ["identifier", "password"],
        properties: { identifier: { type: "string" }, password: { type: "string" } }
      }
    }
  },
  async (request, reply) => {
    const { identifier, password } = request.body
    const { rows } = await pool.query("SELECT id, username, email, password_hash FROM users WHERE username_key = $1", [
      identifier.toLowerCase()
    ])
    const [user] = rows
    if (user === undefined || !(await argon2.verify(user.password_hash, password))) {
      return reply.code(401).send({ error: "Invalid credentials" })
    }
    const sessionId = randomUUID()
    const refreshToken = randomBytes(32).toString("base64url")
    await pool.query(
      `INSERT INTO sessions (id, user_id, token_hash, secret_key_id, idle_expires_at, expires_at, ip, user_agent)
       VALUES ($1, $2, $3, 'none', now() + interval '30 days', now() + interval '180 days', $4, $5)`,
      [
        sessionId,
        user.id,
        createHash("sha256").update(refreshToken).digest(),
        request.ip,
        request.headers["user-agent"]
      ]
    )
    const accessToken = await new jose.SignJWT({ sid: sessionId })
      .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt" })
      .setSubject(user.id)
      .setIssuedAt()
      .setExpirationTime("15m")
      .sign(privateKey)
    return { user: { id: user.id, username: user.username, email: user.email }, accessToken, refreshToken }
  }
)

app.get<{ Params: { id: string } }>("/media/:id", async (request, reply) => {
  try {
    await jose.jwtVerify(request.headers.authorization?.slice("Bearer ".length) ?? "", publicKey, { typ: "at+jwt" })
  } catch {
    return reply.code(401).send({ error: "Unauthenticated" })
  }
  const { rows } = await pool.query(
    `SELECT id, type, title, description, tags, status, user_id, visibility, etag, size_bytes, container, duration_seconds,
       width, height, frame_rate, video_codec, audio_codec, bitrate, captured_at, metadata, streams, chapters, thumbnails,
       created_at, updated_at, version
     FROM media_items WHERE id = $1 AND deleted_at IS NULL`,
    [request.params.id]
  )
  return rows[0] ?? reply.code(404).send({ error: "Not found" })
})

console.log(new URL(await app.listen({ host: "127.0.0.1", port: 0 })).port)

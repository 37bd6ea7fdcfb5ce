import { type ChildProcess, spawn } from "node:child_process"
import { join } from "node:path"

/** Scripts of this folder as processes of their own: what makes the load, and what joy is compared with. */

const running = new Set<ChildProcess>()
process.on("exit", () => running.forEach((child) => child.kill("SIGKILL")))

const start = (name: string, args: ReadonlyArray<string>) => {
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...args])
  running.add(child)
  child.once("exit", () => running.delete(child))
  return child
}

/** Runs a script to its end with `job` as JSON on its standard input; gives what it printed, read as JSON. */
export const run = <Job, Result>(name: string, job: Job): Promise<Result> => {
  const child = start(name, [])
  child.stdin.end(JSON.stringify(job))
  return new Promise((resolve, reject) => {
    let text = ""
    let errors = ""
    child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => (code === 0 ? resolve(JSON.parse(text)) : reject(new Error(`${name}: ${errors}`))))
  })
}

/** Starts a server; it prints its port. */
export const serve = async (name: string, args: ReadonlyArray<string>) => {
  const child = start(name, args)
  child.stderr.pipe(process.stderr)
  const port = await new Promise<number>((resolve) => child.stdout.once("data", (chunk) => resolve(Number(chunk))))
  return { pid: child.pid ?? 0, port, stop: () => child.kill("SIGKILL") }
}

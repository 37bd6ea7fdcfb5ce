import { spawn, spawnSync } from "node:child_process"
import { existsSync, mkdirSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"

import { freePort } from "./Port.ts"
import { tree } from "./Processes.ts"

/** nginx with one worker, which sends files with sendfile: as somebody would serve what was packaged before. */

const program = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx", "/opt/homebrew/bin/nginx"].find(
  existsSync
)

export const isInstalled = program !== undefined

const configuration = (folder: string, root: string, port: number) => `
daemon off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log ${folder}/error.log;
${process.getuid?.() === 0 ? "user root;" : ""}
events { worker_connections 64; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 1000000;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/temp;`).join(" ")}
  server { listen 127.0.0.1:${port}; root ${root}; }
}
`

export const start = async (folder: string, root: string) => {
  if (program === undefined) throw new Error("nginx is not installed")
  const port = await freePort()
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, "nginx.conf"), configuration(folder, root, port))
  const checked = spawnSync(program, ["-t", "-p", folder, "-c", join(folder, "nginx.conf")], { encoding: "utf8" })
  if (checked.status !== 0) throw new Error(checked.stderr)
  const child = spawn(program, ["-p", folder, "-c", join(folder, "nginx.conf")], { stdio: "ignore" })
  process.on("exit", () => child.kill("SIGKILL"))
  const master = child.pid ?? 0
  while (tree(master).length < 2) await sleep(20)
  const worker = tree(master).find((pid) => pid !== master) ?? 0
  return { port, pid: worker, stop: () => child.kill("SIGTERM") }
}

import { text } from "node:stream/consumers"

import * as argon2 from "@node-rs/argon2"

/** Checks one password over and over, some at a time, and does nothing else. Reads a `Job`, prints a `Result`. */
export interface Job {
  readonly hash: string
  readonly password: string
  readonly atATime: number
  readonly millis: number
}

export interface Result {
  readonly perSecond: number
  readonly cpuMillisEach: number
}

const job: Job = JSON.parse(await text(process.stdin))
const cpu = process.cpuUsage()
const began = performance.now()
let count = 0
const worker = async () => {
  while (performance.now() - began < job.millis) {
    if (!(await argon2.verify(job.hash, job.password))) throw new Error("It is not the password of the hash")
    count += 1
  }
}
await Promise.all(Array.from({ length: job.atATime }, worker))
const { system, user } = process.cpuUsage(cpu)
const result: Result = {
  perSecond: (count * 1000) / (performance.now() - began),
  cpuMillisEach: (user + system) / 1000 / count
}
console.log(JSON.stringify(result))

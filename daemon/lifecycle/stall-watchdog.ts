import { Worker } from 'node:worker_threads'
import type { Service } from './service.ts'

export interface StallWatchdogOptions {
  /** Without a feed for this long the process is ended, ms. */
  readonly stallMs: number
  /** Start the same command again before ending it: nobody else would. */
  readonly respawn: boolean
}

/**
 * Ends a process whose event loop has stopped turning: a thread of its own looks whether it was fed. It
 * counts its own turns, not the clock, so that neither a suspended machine nor a stopped process is a stall.
 */
export class StallWatchdog implements Service {
  readonly name = 'watchdog'
  readonly #options: StallWatchdogOptions
  readonly #turns = new Int32Array(new SharedArrayBuffer(4))
  #worker: Worker | undefined

  constructor(options: StallWatchdogOptions) {
    this.#options = options
  }

  async start(): Promise<void> {
    if (this.#worker !== undefined) return
    const worker = new Worker(WATCH, {
      eval: true,
      workerData: { turns: this.#turns, ...this.#options, argv: process.argv.slice(1) },
      // The thread needs no modules of ours and little memory.
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    })
    worker.unref()
    worker.on('error', () => undefined)
    this.#worker = worker
  }

  feed(): void {
    Atomics.add(this.#turns, 0, 1)
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
  }
}

/** The thread, as source: it must run from a checkout and from a package alike, and imports nothing of ours. */
const WATCH = `
const { workerData } = require('node:worker_threads')
const { spawn } = require('node:child_process')
const { writeSync } = require('node:fs')
const { turns, stallMs, respawn, argv } = workerData
const step = Math.max(20, Math.min(1000, stallMs / 10))
const sleeper = new Int32Array(new SharedArrayBuffer(4))
let seen = Atomics.load(turns, 0)
let idle = 0
for (;;) {
  Atomics.wait(sleeper, 0, 0, step)
  const now = Atomics.load(turns, 0)
  idle = now === seen ? idle + step : 0
  seen = now
  if (idle < stallMs) continue
  const line = { level: 'fatal', time: new Date().toISOString(), service: 'watchdog',
    msg: 'the event loop has not turned for ' + stallMs / 1000 + ' s; ending the process' }
  try { writeSync(2, JSON.stringify(line) + '\\n') } catch {}
  if (respawn) {
    const env = { ...process.env, ${JSON.stringify('SCRUM4ME_DETACHED')}: '1' }
    spawn(process.execPath, argv, { detached: true, stdio: 'ignore', cwd: '/', env })
  }
  process.kill(process.pid, 'SIGKILL')
}
`

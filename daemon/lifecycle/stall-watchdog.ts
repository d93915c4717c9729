import { rm } from 'node:fs/promises'
import { Worker } from 'node:worker_threads'
import { DETACHED_VARIABLE } from './detached.ts'
import type { Service } from './service.ts'

export interface StallWatchdogOptions {
  /** Without a feed for this long the process is ended, ms; null: somebody else does that. */
  readonly stallMs: number | null
  /** Start the same command again before ending it: nobody else would. */
  readonly respawn: boolean
  /** Holds the pid while the loop has not turned for `markMs`, so that others need not wait to find out. */
  readonly markFile: string
  readonly markMs: number
}

/**
 * Watches the event loop from a thread of its own: marks it as stalled, and ends a process whose loop will
 * not turn again. It counts its own turns, not the clock, so that neither a suspended machine nor a stopped
 * process is a stall.
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
    await rm(this.#options.markFile, { force: true })
    const worker = new Worker(WATCH, {
      eval: true,
      workerData: { turns: this.#turns, ...this.#options, argv: process.argv.slice(1) },
      // The thread needs no modules of ours and little memory.
      resourceLimits: { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 },
    })
    worker.unref()
    // A machine too short of memory for a thread has other troubles; the daemon goes on without.
    worker.on('error', () => undefined)
    this.#worker = worker
  }

  feed(): void {
    Atomics.add(this.#turns, 0, 1)
  }

  async stop(): Promise<void> {
    const worker = this.#worker
    this.#worker = undefined
    if (worker === undefined) return
    await worker.terminate()
    await rm(this.#options.markFile, { force: true })
  }
}

/** The thread, as source: it must run from a checkout and from a package alike, and imports nothing of ours. */
const WATCH = `
const { workerData } = require('node:worker_threads')
const { spawn } = require('node:child_process')
const { rmSync, writeFileSync, writeSync } = require('node:fs')
const { turns, stallMs, respawn, markFile, markMs, argv } = workerData
const step = Math.max(20, Math.min(500, markMs / 4))
const sleeper = new Int32Array(new SharedArrayBuffer(4))
let seen = Atomics.load(turns, 0)
let idle = 0
let marked = false
const attempt = (act) => { try { act() } catch {} }
for (;;) {
  Atomics.wait(sleeper, 0, 0, step)
  const now = Atomics.load(turns, 0)
  idle = now === seen ? idle + step : 0
  seen = now
  if (idle >= markMs && !marked) {
    marked = true
    attempt(() => writeFileSync(markFile, process.pid + '\\n', { mode: 0o600 }))
  } else if (idle === 0 && marked) {
    marked = false
    attempt(() => rmSync(markFile, { force: true }))
  }
  if (stallMs === null || idle < stallMs) continue
  const line = { level: 'fatal', time: new Date().toISOString(), service: 'watchdog',
    msg: 'the event loop has not turned for ' + stallMs / 1000 + ' s; ending the process' }
  attempt(() => writeSync(2, JSON.stringify(line) + '\\n'))
  if (respawn) {
    const env = { ...process.env, ${DETACHED_VARIABLE}: '1' }
    attempt(() => spawn(process.execPath, argv, { detached: true, stdio: 'ignore', cwd: '/', env }))
  }
  process.kill(process.pid, 'SIGKILL')
}
`

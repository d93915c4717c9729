import { appendFile, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { LogSink } from './logger.ts'

export interface LogFileOptions {
  /** A full file is put aside as `daemon.log.1`, the older ones move up. */
  readonly maxBytes: number
  /** Files put aside that are kept. */
  readonly keep: number
  /** Files put aside that are older are removed, ms. */
  readonly maxAgeMs: number
  readonly now?: () => number
}

export const LOG_FILE = 'daemon.log'
const DEFAULTS: LogFileOptions = { maxBytes: 8 * 1024 * 1024, keep: 4, maxAgeMs: 30 * 24 * 3_600_000 }
/** What waits for a slow disk; above it lines are dropped and counted. Bytes. */
const MAX_WAITING = 4 * 1024 * 1024

/**
 * A log file that rotates itself, for where no supervisor does it. `write` only queues: a slow or full
 * disk costs log lines, never the daemon's time or memory.
 */
export class LogFile implements LogSink {
  readonly path: string
  readonly #directory: string
  readonly #options: LogFileOptions
  #waiting: string[] = []
  #waitingBytes = 0
  #dropped = 0
  #size: number | undefined
  #writing: Promise<void> | undefined

  constructor(directory: string, options: Partial<LogFileOptions> = {}) {
    this.#directory = directory
    this.#options = { ...DEFAULTS, ...options }
    this.path = join(directory, LOG_FILE)
  }

  write(line: string): void {
    const bytes = Buffer.byteLength(line)
    if (this.#waitingBytes + bytes > MAX_WAITING) {
      this.#dropped += 1
      return
    }
    this.#waiting.push(line)
    this.#waitingBytes += bytes
    this.#writing ??= this.#drain()
  }

  /** Resolves when everything written so far is in the file or given up. */
  async flush(): Promise<void> {
    await this.#writing
  }

  async #drain(): Promise<void> {
    // Lines of one burst go out in one write.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const text = this.#take()
      try {
        await this.#rotateIfFull(Buffer.byteLength(text))
        await appendFile(this.path, text, { mode: 0o600 })
        this.#size = (this.#size ?? 0) + Buffer.byteLength(text)
      } catch {
        // A full or vanished disk: nowhere is left to say so. Look at the file afresh next time.
        this.#size = undefined
      }
    }
    this.#writing = undefined
  }

  #take(): string {
    const lines = this.#waiting
    this.#waiting = []
    this.#waitingBytes = 0
    if (this.#dropped > 0) {
      const msg = `${this.#dropped} log lines were dropped because the disk was too slow`
      this.#dropped = 0
      lines.push(
        `${JSON.stringify({ level: 'warn', time: new Date(this.#now()).toISOString(), service: 'log', msg })}\n`,
      )
    }
    return lines.join('')
  }

  async #rotateIfFull(next: number): Promise<void> {
    this.#size ??= await sizeOf(this.path)
    if (this.#size === 0 || this.#size + next <= this.#options.maxBytes) return
    for (let index = this.#options.keep; index >= 1; index -= 1) {
      const from = index === 1 ? this.path : `${this.path}.${index - 1}`
      await rename(from, `${this.path}.${index}`).catch(() => undefined)
    }
    this.#size = 0
    await this.#removeOld()
  }

  async #removeOld(): Promise<void> {
    for (const name of await readdir(this.#directory)) {
      const index = /^daemon\.log\.(\d+)$/.exec(name)?.[1]
      if (index === undefined) continue
      const file = join(this.#directory, name)
      const { mtimeMs } = await stat(file)
      if (Number(index) > this.#options.keep || mtimeMs < this.#now() - this.#options.maxAgeMs) {
        await rm(file, { force: true })
      }
    }
  }

  #now(): number {
    return this.#options.now?.() ?? Date.now()
  }
}

async function sizeOf(path: string): Promise<number> {
  return stat(path).then(
    (found) => found.size,
    () => 0,
  )
}

import type { Readable, Writable } from 'node:stream'
import { MAX_FRAME_BYTES } from '../daemon/wire/protocol.ts'

/** A line over the frame limit is still read up to here, to learn which request must be refused. Bytes. */
const MAX_LINE_BYTES = 4 * MAX_FRAME_BYTES
/** Between two chunks while the daemon reads slowly, ms: the end of stdin must still be seen within 100. */
const CONGESTED_PAUSE_MS = 15
/** For a client that closed stdin but still reads the last answers, ms. */
const FLUSH_MS = 50

export interface LineHandlers {
  line(line: string): void
  /** A line that cannot be held in memory was skipped. */
  tooLong(): void
  /** True while what was read cannot be passed on. */
  congested(): boolean
  end(): void
}

/** Splits stdin at newlines, before decoding, so that no character is cut. */
export function readLines(stdin: Readable, handlers: LineHandlers): void {
  let parts: Buffer[] = []
  let bytes = 0
  const take = (part: Buffer) => {
    bytes += part.length
    if (bytes <= MAX_LINE_BYTES) parts.push(part)
    else parts = []
  }
  stdin.on('data', (chunk: Buffer) => {
    let start = 0
    for (let end = chunk.indexOf(10); end !== -1; end = chunk.indexOf(10, start)) {
      take(chunk.subarray(start, end))
      start = end + 1
      const line = parts.length === 1 ? String(parts[0]) : Buffer.concat(parts).toString()
      if (bytes > MAX_LINE_BYTES) handlers.tooLong()
      else if (line.trim() !== '') handlers.line(line)
      parts = []
      bytes = 0
    }
    if (start < chunk.length) take(chunk.subarray(start))
    if (handlers.congested()) {
      stdin.pause()
      setTimeout(() => stdin.resume(), CONGESTED_PAUSE_MS)
    }
  })
  stdin.on('end', handlers.end)
  stdin.on('error', handlers.end)
}

/** The client's end of stdout: one JSON-RPC message a line, and nothing else ever. */
export class Output {
  readonly #stdout: Writable
  #full = false
  #onDrain: (() => void) | undefined

  constructor(stdout: Writable, gone: () => void) {
    this.#stdout = stdout
    stdout.on('error', gone)
    stdout.on('drain', () => {
      this.#full = false
      this.#onDrain?.()
    })
  }

  /** True while the client does not read what it has. */
  get full(): boolean {
    return this.#full
  }

  /** Called each time the client has read on. */
  set onDrain(resume: () => void) {
    this.#onDrain = resume
  }

  /** `json`: one message without a newline in it. */
  write(json: string): void {
    if (!this.#stdout.write(`${json}\n`)) this.#full = true
  }

  flush(done: () => void): void {
    if (this.#stdout.writableLength === 0) done()
    else {
      this.#onDrain = done
      setTimeout(done, FLUSH_MS)
    }
  }
}

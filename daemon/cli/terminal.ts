import { pipeline } from 'node:stream/promises'
import { codeOf } from '../errors.ts'

/** Where a command writes and reads; tests give it their own. */
export interface Terminal {
  /** Writes a line (or lines) to stdout. */
  out(text: string): void
  /** Writes a line to stderr. */
  err(text: string): void
  /** Writes to stdout as is. */
  raw(text: string): void
  /** The same for more than should be in memory at once; resolves when it is out, or cannot get out. */
  pour(source: NodeJS.ReadableStream): Promise<void>
  readonly stdin: NodeJS.ReadableStream
  /** Aborts when nobody reads stdout any more (`logs -f | head`), so that what goes on for ever can end. */
  readonly closed: AbortSignal
  /** A person reads stdout. */
  readonly isTTY: boolean
  /** A person types on stdin. */
  readonly isInteractive: boolean
  /** stdout is a terminal and NO_COLOR is not set (no-color.org). */
  readonly colour: boolean
  size(): { readonly columns: number; readonly rows: number }
}

export interface ProcessTerminal extends Terminal {
  /** Why some of the output did not get out (a full disk); undefined if all did, or its reader went away. */
  readonly lost: Error | undefined
}

export function processTerminal(process: NodeJS.Process): ProcessTerminal {
  const { stdin, stdout, stderr, env } = process
  const closed = new AbortController()
  // `status | head` closes the pipe early; that is no failure.
  stdout.on('error', () => closed.abort())
  stderr.on('error', () => undefined)
  let failed: Error | undefined
  // The first counts: after it the stream only says that it is closed.
  const write = (text: string) =>
    void stdout.write(text, (error) => {
      failed ??= error ?? undefined
    })
  return {
    get lost() {
      return codeOf(failed) === 'EPIPE' ? undefined : failed
    },
    out: (text) => write(`${text}\n`),
    err: (text) => void stderr.write(`${text}\n`),
    raw: (text) => write(text),
    pour: (source) =>
      pipeline(source, stdout, { end: false }).catch((error: Error) => {
        failed ??= error
      }),
    // Opened only when read: a daemon without a terminal may have none.
    get stdin() {
      return stdin
    },
    closed: closed.signal,
    isTTY: stdout.isTTY === true,
    get isInteractive() {
      return stdin.isTTY === true
    },
    colour: stdout.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb',
    size: () => ({ columns: stdout.columns ?? 80, rows: stdout.rows ?? 24 }),
  }
}

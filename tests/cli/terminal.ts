import { Readable } from 'node:stream'
import type { Terminal } from '../../daemon/cli/terminal.ts'

/** A terminal that remembers what was written to it. */
export interface FakeTerminal extends Terminal {
  stdout: string
  stderr: string
}

export function fakeTerminal(
  options: { input?: string; isTTY?: boolean; isInteractive?: boolean; closed?: AbortSignal } = {},
): FakeTerminal {
  const terminal: FakeTerminal = {
    stdout: '',
    stderr: '',
    out(text) {
      terminal.stdout += `${text}\n`
    },
    err(text) {
      terminal.stderr += `${text}\n`
    },
    raw(text) {
      terminal.stdout += text
    },
    async pour(source) {
      for await (const piece of source) terminal.stdout += piece
    },
    stdin: Readable.from([options.input ?? '']),
    closed: options.closed ?? new AbortController().signal,
    isTTY: options.isTTY ?? false,
    isInteractive: options.isInteractive ?? false,
    colour: false,
    size: () => ({ columns: 80, rows: 24 }),
  }
  return terminal
}

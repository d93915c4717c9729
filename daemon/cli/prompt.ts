import { createInterface } from 'node:readline/promises'
import { Writable } from 'node:stream'
import type { Terminal } from './terminal.ts'

/** Far more than a URL and a token; a mistyped pipe must not fill the memory. */
const MAX_STDIN = 64 * 1024

/** A question whose answer does not appear on the screen. */
export async function askSecret(terminal: Terminal, question: string): Promise<string> {
  terminal.raw(question)
  const mute = new Writable({ write: (_chunk, _encoding, done) => done() })
  const reader = createInterface({ input: terminal.stdin, output: mute, terminal: true })
  try {
    return (await reader.question('')).trim()
  } finally {
    reader.close()
    terminal.raw('\n')
  }
}

/** A question with its answer on the screen; the end of the input is an empty answer. */
export async function ask(terminal: Terminal, question: string): Promise<string> {
  terminal.raw(question)
  const reader = createInterface({ input: terminal.stdin })
  try {
    for await (const line of reader) return line.trim()
    terminal.raw('\n')
    return ''
  } finally {
    reader.close()
  }
}

export async function readAll(stdin: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stdin) {
    text += chunk.toString()
    if (text.length > MAX_STDIN) break
  }
  return text
}

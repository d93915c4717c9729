import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { until } from '../../support/until.ts'

/**
 * The agent's side of a session: a process of its own that starts the shim each time it is told to, under a
 * name that is no shell's, so that the daemon takes it for the session's client. It ends with our pipe.
 */
const SCRIPT = `exec 4<&0
while read -r line <&4; do
  [ "$line" = go ] || continue
  "$@" <&4 3>&- 4<&- &
  echo "up $!" >&3
  wait $!
  echo down >&3
done`

export type CallResult =
  | { readonly kind: 'ok'; readonly content: Readonly<Record<string, unknown>> }
  /** `isError` or a JSON-RPC error; `code` is what stands before the first colon. */
  | { readonly kind: 'failed'; readonly code: string; readonly text: string }
  /** The shim died before it answered. */
  | { readonly kind: 'cut' }
  /** We cancelled it; an answer that came later was dropped. */
  | { readonly kind: 'cancelled' }

export interface Call {
  readonly id: number
  readonly result: Promise<CallResult>
}

export interface RawAgentOptions {
  readonly shim: string
  readonly home: string
  readonly env: Record<string, string>
  readonly sessionId: string
  /** Told of every start and end of the shim. */
  onShim?(did: 'up' | 'down'): void
}

interface Pending {
  readonly settle: (result: CallResult) => void
}

/** A session at the level of JSON-RPC lines: the official client would cost more time than what it tests. */
export class RawAgent {
  readonly sessionId: string
  readonly #process: ChildProcess
  readonly #pending = new Map<number, Pending>()
  readonly #options: RawAgentOptions
  #nextId = 0
  #shim: number | null = null
  #gone = false
  readonly #exited: Promise<void>

  constructor(options: RawAgentOptions) {
    this.#options = options
    this.sessionId = options.sessionId
    const command = [process.execPath, options.shim, '--home', options.home]
    this.#process = spawn('/bin/sh', ['-c', SCRIPT, 'agent', ...command], {
      argv0: 'chaos-agent',
      env: { ...options.env, CLAUDE_CODE_SESSION_ID: options.sessionId },
      stdio: ['pipe', 'pipe', 'ignore', 'pipe'],
    })
    this.#process.on('error', () => undefined)
    this.#process.stdin?.on('error', () => undefined)
    this.#exited = new Promise((resolve) => this.#process.once('exit', () => resolve()))
    lines(this.#process.stdout, (line) => this.#answered(line))
    lines(this.#process.stdio[3], (line) => this.#shimDid(line))
  }

  /** Process id of the running shim. */
  get shim(): number | null {
    return this.#shim
  }

  get isGone(): boolean {
    return this.#gone
  }

  /** Starts a shim and says hello. */
  async open(): Promise<void> {
    this.#process.stdin?.write('go\n')
    await until('the shim runs', () => this.#gone || this.#shim !== null, 30_000)
    const initialized = this.#request('initialize', {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'chaos', version: '1' },
    })
    await initialized.result
    this.#send({ method: 'notifications/initialized' })
  }

  call(tool: string, args: Record<string, unknown>): Call {
    return this.#request('tools/call', { name: tool, arguments: args })
  }

  /** Cancels a call, as clients do also with those that are long answered. */
  cancel(id: number): void {
    this.#send({ method: 'notifications/cancelled', params: { requestId: id, reason: 'changed its mind' } })
    this.#pending.get(id)?.settle({ kind: 'cancelled' })
    this.#pending.delete(id)
  }

  signalShim(signal: NodeJS.Signals): void {
    if (this.#shim !== null) kill(this.#shim, signal)
  }

  /** The conversation is over without a word: agent and shim at once. */
  async kill(): Promise<void> {
    if (this.#gone) return
    this.#gone = true
    const shim = this.#shim
    // The agent first: it must not start another shim.
    this.#process.kill('SIGKILL')
    if (shim !== null) {
      kill(shim, 'SIGCONT')
      kill(shim, 'SIGKILL')
    }
    await this.#exited
    this.#process.stdin?.destroy()
    this.#down()
  }

  #request(method: string, params: Record<string, unknown>): Call {
    const id = this.#nextId
    this.#nextId += 1
    const result = new Promise<CallResult>((settle) => {
      if (this.#shim === null || this.#gone) settle({ kind: 'cut' })
      else this.#pending.set(id, { settle })
    })
    this.#send({ id, method, params })
    return { id, result }
  }

  #send(message: Record<string, unknown>): void {
    if (this.#shim === null || this.#gone) return
    this.#process.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
  }

  #shimDid(line: string): void {
    const up = /^up (\d+)$/.exec(line)
    if (up !== null) {
      this.#shim = Number(up[1])
      this.#options.onShim?.('up')
    } else if (line === 'down') this.#down()
  }

  #down(): void {
    if (this.#shim === null) return
    this.#shim = null
    for (const pending of this.#pending.values()) pending.settle({ kind: 'cut' })
    this.#pending.clear()
    this.#options.onShim?.('down')
  }

  #answered(line: string): void {
    const message = parse(line)
    if (message === undefined) return
    const { id, method } = message
    if (method === 'ping') this.#send({ id, result: {} })
    if (typeof id !== 'number' || typeof method === 'string') return
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.settle(toResult(message))
  }
}

function toResult(message: Record<string, unknown>): CallResult {
  const result = record(message.result)
  if (result === undefined) {
    const text = String(record(message.error)?.message)
    return { kind: 'failed', code: 'JSONRPC', text }
  }
  if (result.isError === true) {
    const [first] = Array.isArray(result.content) ? result.content : []
    const text = String(record(first)?.text)
    return { kind: 'failed', code: text.slice(0, Math.max(0, text.indexOf(':'))), text }
  }
  return { kind: 'ok', content: record(result.structuredContent) ?? {} }
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    return record(JSON.parse(line))
  } catch {
    return undefined
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null ? { ...value } : undefined
}

function lines(stream: unknown, take: (line: string) => void): void {
  if (!isReadable(stream)) throw new Error('a pipe is missing')
  stream.on('error', () => undefined)
  createInterface({ input: stream }).on('line', take)
}

function isReadable(stream: unknown): stream is Readable {
  return typeof stream === 'object' && stream !== null && 'on' in stream && 'read' in stream
}

/** A process that has just gone is as good as one that was signalled. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone.
  }
}

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { until } from '../../support/until.ts'

const PROGRAM = fileURLToPath(new URL('../programs/agent.mjs', import.meta.url))

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
    this.#process = fork(PROGRAM, [options.shim, options.home], {
      env: { ...options.env, CLAUDE_CODE_SESSION_ID: options.sessionId },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    this.#process.on('error', () => undefined)
    this.#exited = new Promise((resolve) => this.#process.once('exit', () => resolve()))
    this.#process.on('message', (message) => this.#told(record(message) ?? {}))
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
    this.#tell({ start: true })
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
    this.#tell({ line: JSON.stringify({ jsonrpc: '2.0', ...message }) })
  }

  #tell(message: object): void {
    if (this.#process.connected) this.#process.send(message, () => undefined)
  }

  #told(message: Record<string, unknown>): void {
    if (typeof message.line === 'string') this.#answered(message.line)
    else if (typeof message.up === 'number') {
      this.#shim = message.up
      this.#options.onShim?.('up')
    } else if (message.down === true) this.#down()
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

/** A process that has just gone is as good as one that was signalled. */
export function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // Gone.
  }
}

import type { JsonRpcRequest, RequestId } from '../daemon/wire/json-rpc.ts'
import { MAX_FRAME_BYTES } from '../daemon/wire/protocol.ts'

/** How long a call that was never sent waits for a daemon, ms. */
const NEW_CALL_MS = 5_000
/** How long a new call waits, counted from the disconnect, when the daemon said that another takes over, ms. */
const RESTART_MS = 30_000
/** How long a call that was sent waits for the daemon's return, ms. */
const CUT_CALL_MS = 60_000
/** How long a list waits for a connected daemon before the built-in one is served, ms. */
const LIST_MS = 2_000
/** What one client may leave unanswered; well under what the daemon drops a peer for. */
const MAX_CALLS = 512
const MAX_BYTES = 4 * MAX_FRAME_BYTES

/**
 *   held → sent       a daemon greets us
 *   held → answered   by us: none came in time
 *   sent → answered   by the daemon
 *   sent → cut        the connection ended
 *   cut  → sent       a daemon greets us: at most once after a crash, any number of times after planned restarts
 *   cut  → answered   by us: nobody can say what became of it
 *   any  → forgotten  the client cancelled it
 *
 * Whether a call that is sent again runs again is the daemon's decision: it remembers what it did
 * under (connection id, request id).
 */
interface PendingCall {
  readonly request: JsonRpcRequest
  /** As the client wrote it. */
  readonly line: string
  /** A built-in answer, for lists. */
  readonly fallback: string | undefined
  state: 'held' | 'sent' | 'cut'
  /** Unplanned disconnects while it was sent. */
  cuts: number
  timer: NodeJS.Timeout | undefined
}

export type Failure = 'unreachable' | 'unknown'

export interface PendingCallsOptions {
  send(line: string): void
  /** The call cannot be answered by a daemon. */
  fail(request: JsonRpcRequest, failure: Failure): void
  fallback(request: JsonRpcRequest, result: string): void
}

/** The client's requests that have no answer yet, in the order they came. */
export class PendingCalls {
  readonly #options: PendingCallsOptions
  readonly #calls = new Map<RequestId, PendingCall>()
  #bytes = 0
  /** When the announced restart should be over, on `performance.now()`'s clock. */
  #restartUntil = 0

  constructor(options: PendingCallsOptions) {
    this.#options = options
  }

  get isEmpty(): boolean {
    return this.#calls.size === 0
  }

  isFull(line: string): boolean {
    return this.#calls.size >= MAX_CALLS || this.#bytes + line.length > MAX_BYTES
  }

  /** `state` of the connection: up: send it · leaving: hold it until the disconnect · down: hold it for a while. */
  add(request: JsonRpcRequest, line: string, state: 'up' | 'leaving' | 'down', fallback?: string): void {
    const call: PendingCall = { request, line, fallback, state: 'held', cuts: 0, timer: undefined }
    this.#calls.set(request.id, call)
    this.#bytes += line.length
    if (state === 'up') this.#send(call)
    else if (state === 'down') this.#arm(call, this.#patience(), 'unreachable')
    if (fallback !== undefined) this.#arm(call, LIST_MS, 'unreachable')
  }

  /** True if the request was pending: its answer is for the client. */
  forget(id: RequestId): boolean {
    const call = this.#calls.get(id)
    if (call === undefined) return false
    clearTimeout(call.timer)
    this.#calls.delete(id)
    this.#bytes -= call.line.length
    return true
  }

  sendAll(): void {
    for (const call of this.#calls.values()) this.#send(call)
  }

  /** The connection ended; `planned`: the daemon said that another takes over. */
  cut(planned: boolean): void {
    this.#restartUntil = planned ? performance.now() + RESTART_MS : 0
    for (const call of this.#calls.values()) {
      if (call.fallback !== undefined) this.#giveUp(call, 'unreachable')
      else if (call.state === 'held') {
        if (call.timer === undefined) this.#arm(call, this.#patience(), 'unreachable')
      } else if (call.state === 'sent') {
        call.state = 'cut'
        if (!planned) call.cuts += 1
        if (call.cuts < 2) this.#arm(call, CUT_CALL_MS, 'unknown')
        else this.#giveUp(call, 'unknown')
      }
    }
  }

  /** No daemon that could be reached will take any of them. */
  failAll(): void {
    for (const call of this.#calls.values())
      this.#giveUp(call, call.state === 'held' ? 'unreachable' : 'unknown')
  }

  #patience(): number {
    return Math.max(NEW_CALL_MS, this.#restartUntil - performance.now())
  }

  #send(call: PendingCall): void {
    clearTimeout(call.timer)
    call.timer = undefined
    call.state = 'sent'
    this.#options.send(call.line)
  }

  #arm(call: PendingCall, ms: number, failure: Failure): void {
    clearTimeout(call.timer)
    call.timer = setTimeout(() => this.#giveUp(call, failure), ms)
  }

  #giveUp(call: PendingCall, failure: Failure): void {
    this.forget(call.request.id)
    if (call.fallback !== undefined) this.#options.fallback(call.request, call.fallback)
    else this.#options.fail(call.request, failure)
  }
}

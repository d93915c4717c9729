import { failureAnswer } from '../daemon/wire/failure-answer.ts'
import type { JsonRpcRequest } from '../daemon/wire/json-rpc.ts'
import { idOf, isNotification, isRecord, isRequest, isResponse, parseJson } from '../daemon/wire/json-rpc.ts'
import { MCP_VERSIONS } from '../daemon/wire/mcp-versions.ts'
import { MAX_MESSAGE_BYTES, MAX_UNANSWERED, MAX_UNANSWERED_BYTES } from '../daemon/wire/protocol.ts'
import { Unanswered } from '../daemon/wire/unanswered.ts'
import { lineToSend } from './line-to-send.ts'
import { Link } from './link.ts'
import { staticAnswers } from './static-answers.ts'

/** How long a call that was never sent waits for a daemon, ms. */
const NEW_CALL_MS = 5_000
/** The same, from the goodbye of a daemon that another takes over from; its drain takes up to 10 s. */
const RESTART_MS = 40_000
/** How long a call that was sent waits for the daemon's return, ms. */
const CUT_CALL_MS = 60_000
/** How long a list waits for a daemon that is there before the built-in one is served, ms. */
const LIST_MS = 2_000

/**
 *   held → sent        a daemon welcomes us; it remembers what it did under (connection id, request id)
 *   sent → held        the connection ended, for the first time unless the daemon announced it
 *   sent → answered    by the daemon
 *   any  → given up    its time is over, it was cut off twice, or the daemon that is there refuses us: we answer
 *   any  → forgotten   the client cancelled it
 */
interface Call {
  readonly request: JsonRpcRequest
  /** As the client wrote it. */
  readonly line: string
  /** A list's result for when no daemon gives one. */
  readonly builtIn: string | undefined
  /** When it came, on `performance.now()`'s clock. */
  readonly since: number
  wasSent: boolean
  /** Disconnects that the daemon did not announce. */
  cuts: number
  timer?: NodeJS.Timeout
}

/**
 * One MCP client and whichever daemon is there. Messages pass through as they are, but for the time that a call has
 * waited; kept is what a change of daemons needs: what the client said once (`initialize`, its log level), and the
 * calls without an answer.
 */
export class Session {
  readonly #link = new Link(this)
  /** Of its `initialize`. */
  clientInfo: unknown
  #isStarted = false
  /** What every daemon must hear, by method. */
  readonly #said = new Map<string, string>()
  readonly #calls = new Unanswered<Call>(MAX_UNANSWERED / 2, MAX_UNANSWERED_BYTES / 2)
  readonly #builtIn = new Map(staticAnswers.lists)
  /** When an announced restart should be over, on `performance.now()`'s clock; 0: none was announced. */
  #restartUntil = 0
  /** The catalog that the daemon serves, and the one the client was given last. */
  #catalog = staticAnswers.catalog
  #shown: string | undefined

  get isWaiting(): boolean {
    return this.#calls.count > 0
  }

  fromClient(line: string): void {
    if (line.trim() === '') return
    const message = parseJson(line)
    const isTooLarge = Buffer.byteLength(line) > MAX_MESSAGE_BYTES
    if (isRequest(message)) {
      if (isTooLarge) fail(message, TOO_LARGE)
      else this.#request(message, line)
    } else if (isNotification(message) || isResponse(message)) {
      if (!isTooLarge) this.#pass(message, line)
    } else {
      const code = message === undefined ? -32700 : -32600
      const text = isTooLarge ? TOO_LARGE : 'A message is one line of JSON-RPC 2.0'
      write(JSON.stringify({ jsonrpc: '2.0', id: idOf(message) ?? null, error: { code, message: text } }))
    }
    if (!this.#isStarted) this.#link.start()
    this.#isStarted = true
  }

  #request(request: JsonRpcRequest, line: string): void {
    const { method, params } = request
    if (method === 'initialize') {
      const version = MCP_VERSIONS.find((known) => known === params?.protocolVersion) ?? MCP_VERSIONS[0]
      this.clientInfo = params?.clientInfo
      this.#tell(request, `{"protocolVersion":"${version}",${staticAnswers.initialize}}`)
    } else if (method === 'logging/setLevel') this.#tell(request, '{}')
    else if (method === 'ping') answer(request, '{}')
    else this.#call(request, line)
  }

  /** Said to this daemon and all later ones, whose answers match no call: the client has its answer from us. */
  #tell(request: JsonRpcRequest, result: string): void {
    const line = JSON.stringify({ ...request, id: `scrum4me-shim:${request.method}` })
    this.#said.set(request.method, line)
    this.#link.send(line)
    answer(request, result)
  }

  #call(request: JsonRpcRequest, line: string): void {
    const builtIn = this.#builtIn.get(request.method)
    const call: Call = { request, line, builtIn, since: performance.now(), wasSent: false, cuts: 0 }
    const isOpen = this.#link.phase === 'open'
    this.#settle(request.id)
    if (!isOpen && builtIn !== undefined) this.#giveUp(call)
    else if (!this.#calls.add(request.id, call, line.length)) fail(request, TOO_MANY)
    else if (isOpen) this.#send(call)
    else {
      this.#giveUpAfter(call, Math.max(NEW_CALL_MS, this.#restartUntil - performance.now()))
      this.#link.hurry()
    }
  }

  #send(call: Call): void {
    clearTimeout(call.timer)
    call.wasSent = true
    this.#link.send(lineToSend(call.request, call.line, performance.now() - call.since))
    if (call.builtIn === undefined) return
    this.#shown = this.#catalog
    this.#giveUpAfter(call, LIST_MS)
  }

  #giveUpAfter(call: Call, ms: number): void {
    clearTimeout(call.timer)
    call.timer = setTimeout(() => this.#giveUp(call), ms)
  }

  #giveUp({ request, builtIn, wasSent }: Call): void {
    this.#settle(request.id)
    const { unreachable } = this.#link
    if (builtIn !== undefined) {
      this.#shown = staticAnswers.catalog
      answer(request, builtIn)
    } else fail(request, wasSent ? `${OUTCOME_UNKNOWN} ${unreachable}` : unreachable)
  }

  /** True if the call had no answer yet: then this one is for the client. */
  #settle(id: unknown): boolean {
    const call = this.#calls.take(id)
    clearTimeout(call?.timer)
    return call !== undefined
  }

  /** Cancelled calls that look answered here may not be for the daemon: it hears of every one. */
  #pass(message: object, line: string): void {
    if (isNotification(message)) {
      if (message.method === 'notifications/initialized') this.#said.set(message.method, line)
      if (message.method === 'notifications/cancelled') this.#settle(message.params?.requestId)
    }
    this.#link.send(line)
  }

  fromDaemon(json: string): void {
    const message = parseJson(json)
    if (isRecord(message) && ('method' in message || this.#settle(message.id))) write(json)
  }

  welcomed(catalog: string): void {
    this.#catalog = catalog
    this.#restartUntil = 0
    for (const line of this.#said.values()) this.#link.send(line)
    for (const call of this.#calls) this.#send(call)
    if (this.#shown === undefined || this.#shown === catalog) return
    this.#shown = undefined
    write('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}')
    write('{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}')
  }

  /** The daemon leaves, and another takes over. */
  restarting(): void {
    this.#restartUntil = performance.now() + RESTART_MS
  }

  disconnected(): void {
    for (const call of this.#calls) {
      // What was never sent waits on.
      if (!call.wasSent) continue
      if (this.#restartUntil === 0) call.cuts += 1
      if (call.cuts > 1 || call.builtIn !== undefined) this.#giveUp(call)
      else this.#giveUpAfter(call, CUT_CALL_MS)
    }
  }

  /** The daemon that is there takes none of our calls. */
  refused(): void {
    for (const call of this.#calls) this.#giveUp(call)
  }
}

function answer({ id }: JsonRpcRequest, result: string): void {
  write(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${result}}`)
}

function fail(request: JsonRpcRequest, text: string): void {
  write(JSON.stringify(failureAnswer(request, text)))
}

function write(json: string): void {
  process.stdout.write(`${json}\n`)
}

const TOO_LARGE = 'VALIDATION_ERROR: The message is larger than 8 MiB; nothing was sent. Send less at a time.'
const TOO_MANY =
  'VALIDATION_ERROR: Too many calls of this session are unanswered; this one was not sent. Wait for some of them.'
const OUTCOME_UNKNOWN =
  'OUTCOME_UNKNOWN: The daemon went away while this call ran, so it may or may not have had effect. ' +
  'Check first what it was to change (`worker_status` shows jobs and their state), then repeat it only if needed.'

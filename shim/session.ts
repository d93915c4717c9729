import { failureAnswer } from '../daemon/wire/failure-answer.ts'
import type { JsonRpcRequest } from '../daemon/wire/json-rpc.ts'
import { isNotification, isRecord, isRequest, isRequestId, isResponse } from '../daemon/wire/json-rpc.ts'
import { MCP_VERSIONS } from '../daemon/wire/mcp-versions.ts'
import { MAX_FRAME_BYTES } from '../daemon/wire/protocol.ts'
import type { Link } from './link.ts'
import { staticAnswers } from './static-answers.ts'

/** A frame's size less its envelope, bytes. */
const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES - 64
/** What one client may leave unanswered; well under what the daemon drops a peer for. */
const MAX_CALLS = 512
const MAX_CHARACTERS = 4 * MAX_FRAME_BYTES
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
 *   any  → given up    its time is over, or the daemon that is there refuses us: we answer
 *   any  → forgotten   the client cancelled it
 */
interface Call {
  readonly request: JsonRpcRequest
  /** As the client wrote it. */
  readonly line: string
  wasSent: boolean
  /** Disconnects that the daemon did not announce. */
  cuts: number
  timer?: NodeJS.Timeout
}

/**
 * One MCP client and whichever daemon is there. Messages pass through as they are; kept is what a change of
 * daemons needs: what the client said once (`initialize`, its log level), and the calls without an answer.
 */
export class Session {
  #linking: Promise<void> | undefined
  #link: Link | undefined
  #clientInfo: unknown
  /** What every daemon must hear, by method. */
  readonly #said = new Map<string, string>()
  /** By request id, in the order they came. */
  readonly #calls = new Map<unknown, Call>()
  #characters = 0
  /** When an announced restart should be over, on `performance.now()`'s clock; 0: none was announced. */
  #restartUntil = 0
  /** The catalog that the daemon serves, and the one the client was given last. */
  #catalog = staticAnswers.catalog
  #shown: string | undefined

  get isWaiting(): boolean {
    return this.#calls.size > 0
  }

  get isCongested(): boolean {
    return this.#link?.isCongested === true
  }

  fromClient(line: string): void {
    if (line.trim() === '') return
    const message = parse(line)
    const isTooLarge = Buffer.byteLength(line) > MAX_MESSAGE_BYTES
    if (isRequest(message)) {
      if (isTooLarge) fail(message, TOO_LARGE)
      else this.#request(message, line)
    } else if (isNotification(message) || isResponse(message)) {
      if (!isTooLarge) this.#pass(message, line)
    } else {
      const id = isRecord(message) && isRequestId(message.id) ? message.id : null
      const code = message === undefined ? -32700 : -32600
      const text = isTooLarge ? TOO_LARGE : 'A message is one line of JSON-RPC 2.0'
      write(JSON.stringify({ jsonrpc: '2.0', id, error: { code, message: text } }))
    }
    this.#linking ??= this.#connect()
  }

  /** What a connection needs is loaded when the client has its first answer. */
  async #connect(): Promise<void> {
    const { Link } = await import('./link.ts')
    this.#link = new Link(this, this.#clientInfo)
  }

  #request(request: JsonRpcRequest, line: string): void {
    const { method, params } = request
    if (method === 'initialize') {
      const version = MCP_VERSIONS.find((known) => known === params?.protocolVersion) ?? MCP_VERSIONS[0]
      this.#clientInfo = params?.clientInfo
      this.#tell(request)
      answer(request, `{"protocolVersion":"${version}",${staticAnswers.initialize}}`)
    } else if (method === 'logging/setLevel') {
      this.#tell(request)
      answer(request, '{}')
    } else if (method === 'ping') answer(request, '{}')
    else if (isList(method) && !this.#link?.isOpen) this.#list(request, method)
    else if (this.#calls.size >= MAX_CALLS || this.#characters + line.length > MAX_CHARACTERS) {
      fail(request, TOO_MANY)
    } else this.#call(request, line)
  }

  /** For this daemon and all later ones. Their answers match no call. */
  #tell(request: JsonRpcRequest): void {
    const line = JSON.stringify({ ...request, id: `scrum4me-shim:${request.method}` })
    this.#said.set(request.method, line)
    this.#link?.send(line)
  }

  #call(request: JsonRpcRequest, line: string): void {
    this.#settle(request.id)
    const call: Call = { request, line, wasSent: false, cuts: 0 }
    this.#calls.set(request.id, call)
    this.#characters += line.length
    if (this.#link?.isOpen) this.#send(call)
    else {
      this.#giveUpAfter(call, Math.max(NEW_CALL_MS, this.#restartUntil - performance.now()))
      this.#link?.hurry()
    }
  }

  #send(call: Call): void {
    clearTimeout(call.timer)
    call.wasSent = true
    this.#link?.send(call.line)
    if (!isList(call.request.method)) return
    this.#shown = this.#catalog
    this.#giveUpAfter(call, LIST_MS)
  }

  #giveUpAfter(call: Call, ms: number): void {
    clearTimeout(call.timer)
    call.timer = setTimeout(() => this.#giveUp(call), ms)
  }

  #giveUp({ request, wasSent }: Call): void {
    this.#settle(request.id)
    const why = this.#link?.unreachable ?? ''
    if (isList(request.method)) this.#list(request, request.method)
    else fail(request, wasSent ? `${OUTCOME_UNKNOWN} ${why}` : why)
  }

  #list(request: JsonRpcRequest, method: List): void {
    this.#shown = staticAnswers.catalog
    answer(request, staticAnswers[method])
  }

  /** True if the call had no answer yet: then this one is for the client. */
  #settle(id: unknown): boolean {
    const call = this.#calls.get(id)
    if (call === undefined) return false
    clearTimeout(call.timer)
    this.#characters -= call.line.length
    return this.#calls.delete(id)
  }

  /** Cancelled calls that look answered here may not be for the daemon: it hears of every one. */
  #pass(message: object, line: string): void {
    if (isNotification(message)) {
      if (message.method === 'notifications/initialized') this.#said.set(message.method, line)
      if (message.method === 'notifications/cancelled') this.#settle(message.params?.requestId)
    }
    this.#link?.send(line)
  }

  fromDaemon(json: string): void {
    const message = parse(json)
    if (isRecord(message) && ('method' in message || this.#settle(message.id))) write(json)
  }

  welcomed(catalog: string): void {
    this.#catalog = catalog
    this.#restartUntil = 0
    for (const line of this.#said.values()) this.#link?.send(line)
    for (const call of this.#calls.values()) this.#send(call)
    if (this.#shown === undefined || this.#shown === catalog) return
    this.#shown = undefined
    for (const list of ['tools', 'prompts']) {
      write(`{"jsonrpc":"2.0","method":"notifications/${list}/list_changed"}`)
    }
  }

  /** The daemon leaves, and another takes over. */
  restarting(): void {
    this.#restartUntil = performance.now() + RESTART_MS
  }

  disconnected(): void {
    for (const call of this.#calls.values()) {
      // What was never sent waits on.
      if (!call.wasSent) continue
      if (this.#restartUntil === 0) call.cuts += 1
      if (call.cuts > 1 || isList(call.request.method)) this.#giveUp(call)
      else this.#giveUpAfter(call, CUT_CALL_MS)
    }
  }

  /** The daemon that is there takes none of our calls. */
  refused(): void {
    for (const call of this.#calls.values()) this.#giveUp(call)
  }
}

type List = 'tools/list' | 'prompts/list'

function isList(method: string): method is List {
  return method === 'tools/list' || method === 'prompts/list'
}

function parse(json: string): unknown {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
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

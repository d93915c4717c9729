import type { Goodbye, Welcome } from '../daemon/wire/hello.ts'
import type {
  JsonRpcNotification,
  JsonRpcRequest,
  JsonRpcResponse,
  RequestId,
} from '../daemon/wire/json-rpc.ts'
import { isNotification, isRecord, isRequest, isRequestId, isResponse } from '../daemon/wire/json-rpc.ts'
import { MCP_VERSIONS } from '../daemon/wire/mcp-versions.ts'
import { MAX_FRAME_BYTES } from '../daemon/wire/protocol.ts'
import { errorLine, failureLine, resultLine } from './answer.ts'
import { joinRequestId, splitRequestId } from './daemon-request-id.ts'
import { type Failure, PendingCalls } from './pending-calls.ts'
import { resultId } from './result-id.ts'
import { staticAnswers } from './static-answers.ts'
import type { Upstream, UpstreamEvents } from './upstream.ts'

/** A frame's size less its envelope, bytes. */
const MAX_MESSAGE_BYTES = MAX_FRAME_BYTES - 64
/** Ids of what the relay itself asks a daemon; the answers are swallowed. */
const OWN = 'scrum4me-shim:'

export interface RelayOptions {
  /** One message as JSON to the client. */
  write(json: string): void
  /** `initialize` is undefined when the client asked for something else first. */
  connect(events: UpstreamEvents, initialize: JsonRpcRequest | undefined): Promise<Upstream>
}

/**
 * Passes messages between one MCP client and whichever daemon is there, and keeps what a change of
 * daemons needs: the client's `initialize`, its log level, and the requests not yet answered.
 */
export class Relay implements UpstreamEvents {
  readonly #options: RelayOptions
  readonly #calls: PendingCalls
  #upstream: Upstream | undefined
  #connecting = false
  /** down → up: welcomed · up → leaving: the daemon said goodbye · any → down: disconnected */
  #state: 'down' | 'up' | 'leaving' = 'down'
  #restart = false
  /** Counts connections, because each daemon numbers its own requests from 0. */
  #generation = 0
  #initialize: JsonRpcRequest | undefined
  #initialized = false
  #level: JsonRpcRequest | undefined
  /** Catalog that the daemon serves, and the one the client was given last. */
  #catalog = staticAnswers.catalog
  #served: string | undefined

  constructor(options: RelayOptions) {
    this.#options = options
    this.#calls = new PendingCalls({
      send: (line) => this.#upstream?.send(line),
      fail: (request, failure) => this.#fail(request, failure),
      fallback: (request, result) => this.#serve(request, result, staticAnswers.catalog),
    })
  }

  get congested(): boolean {
    return this.#upstream?.congested ?? false
  }

  get isWaiting(): boolean {
    return !this.#calls.isEmpty
  }

  fromClient(line: string): void {
    let message: unknown
    try {
      message = JSON.parse(line)
    } catch {
      this.#options.write(errorLine(null, -32700, 'Parse error: a message is one line of JSON'))
      return
    }
    const oversized = Buffer.byteLength(line) > MAX_MESSAGE_BYTES
    if (isRequest(message)) {
      if (oversized) this.#options.write(failureLine(message, TOO_LARGE))
      else this.#request(message, line)
    } else if (oversized) return
    else if (isNotification(message)) this.#notification(message, line)
    else if (isResponse(message)) this.#response(message)
    else {
      const id = isRecord(message) && isRequestId(message.id) ? message.id : null
      this.#options.write(errorLine(id, -32600, 'Invalid Request: not a JSON-RPC 2.0 message'))
    }
    this.#connect()
  }

  /** A line so long that it was not even kept. */
  unreadable(): void {
    this.#options.write(errorLine(null, -32600, TOO_LARGE))
  }

  #request(request: JsonRpcRequest, line: string): void {
    if (request.method === 'initialize') this.#answerInitialize(request)
    else if (request.method === 'ping') this.#options.write(resultLine(request.id, '{}'))
    else if (request.method === 'logging/setLevel') {
      this.#level = request
      this.#options.write(resultLine(request.id, '{}'))
      if (this.#state === 'up') this.#sendOwn('level', request)
    } else if (request.method === 'tools/list') this.#list(request, line, staticAnswers.tools)
    else if (request.method === 'prompts/list') this.#list(request, line, staticAnswers.prompts)
    else if (this.#calls.isFull(line)) this.#options.write(failureLine(request, TOO_MANY))
    else if (this.#upstream?.refused) this.#fail(request, 'unreachable')
    else {
      this.#calls.add(request, line, this.#state)
      if (this.#state === 'down') this.#upstream?.wanted()
    }
  }

  #answerInitialize(request: JsonRpcRequest): void {
    const asked = request.params?.protocolVersion
    const protocolVersion = MCP_VERSIONS.find((version) => version === asked) ?? MCP_VERSIONS[0]
    this.#initialize = { ...request, params: { ...request.params, protocolVersion } }
    const result = `{"protocolVersion":"${protocolVersion}",${staticAnswers.initialize}}`
    this.#options.write(resultLine(request.id, result))
    if (this.#state === 'up') this.#replay()
  }

  #list(request: JsonRpcRequest, line: string, builtIn: string): void {
    if (this.#state !== 'up') this.#serve(request, builtIn, staticAnswers.catalog)
    else {
      this.#served = this.#catalog
      this.#calls.add(request, line, 'up', builtIn)
    }
  }

  #serve(request: JsonRpcRequest, result: string, catalog: string): void {
    this.#served = catalog
    this.#options.write(resultLine(request.id, result))
  }

  #notification(notification: JsonRpcNotification, line: string): void {
    if (notification.method === 'notifications/initialized') this.#initialized = true
    if (notification.method === 'notifications/cancelled') {
      const id = notification.params?.requestId
      if (isRequestId(id)) this.#calls.forget(id)
    }
    // Cancelled calls that look answered here may not be for the daemon: it hears of every one.
    if (this.#state !== 'down') this.#upstream?.send(line)
  }

  /** The client's answer to a daemon's request: only for the connection that asked. */
  #response(response: JsonRpcResponse): void {
    const id = splitRequestId(this.#generation, response.id)
    if (this.#state === 'down' || id === undefined) return
    this.#upstream?.send(JSON.stringify({ ...response, id }))
  }

  welcomed(welcome: Welcome): void {
    this.#generation += 1
    this.#state = 'up'
    this.#restart = false
    this.#catalog = welcome.catalog
    this.#replay()
    this.#calls.sendAll()
    if (this.#served === undefined || this.#served === welcome.catalog) return
    this.#served = undefined
    for (const list of ['tools', 'prompts']) {
      this.#options.write(`{"jsonrpc":"2.0","method":"notifications/${list}/list_changed"}`)
    }
  }

  /** What the client said once and every new daemon must hear. */
  #replay(): void {
    if (this.#initialize !== undefined) this.#sendOwn('initialize', this.#initialize)
    if (this.#initialized) this.#upstream?.send('{"jsonrpc":"2.0","method":"notifications/initialized"}')
    if (this.#level !== undefined) this.#sendOwn('level', this.#level)
  }

  #sendOwn(what: string, request: JsonRpcRequest): void {
    this.#upstream?.send(JSON.stringify({ ...request, id: `${OWN}${what}-${this.#generation}` }))
  }

  received(json: string): void {
    const answered = resultId(json)
    if (answered !== undefined) {
      this.#answered(answered, json)
      return
    }
    let message: unknown
    try {
      message = JSON.parse(json)
    } catch {
      return
    }
    if (isResponse(message)) {
      if (message.id !== undefined) this.#answered(message.id, json)
    } else if (isRequest(message)) {
      this.#options.write(JSON.stringify({ ...message, id: joinRequestId(this.#generation, message.id) }))
    } else if (isNotification(message)) {
      const id = message.params?.requestId
      if (message.method !== 'notifications/cancelled' || !isRequestId(id)) this.#options.write(json)
      else {
        const params = { ...message.params, requestId: joinRequestId(this.#generation, id) }
        this.#options.write(JSON.stringify({ ...message, params }))
      }
    }
  }

  /** Answers to our own requests, and answers that come after ours or after a cancellation, are for nobody. */
  #answered(id: RequestId, json: string): void {
    if (this.#calls.forget(id)) this.#options.write(json)
  }

  goodbye(goodbye: Goodbye): void {
    if (this.#state === 'up') this.#state = 'leaving'
    this.#restart = goodbye.reason === 'restart'
  }

  refused(): void {
    this.#calls.failAll()
  }

  disconnected(): void {
    if (this.#state === 'down') return
    this.#state = 'down'
    this.#calls.cut(this.#restart)
  }

  #connect(): void {
    if (this.#connecting) return
    this.#connecting = true
    void this.#options.connect(this, this.#initialize).then((upstream) => {
      this.#upstream = upstream
    })
  }

  #fail(request: JsonRpcRequest, failure: Failure): void {
    const why = this.#upstream?.unreachable() ?? 'DAEMON_UNREACHABLE: The Scrum4Me daemon cannot be reached.'
    this.#options.write(failureLine(request, failure === 'unreachable' ? why : `${OUTCOME_UNKNOWN} ${why}`))
  }
}

const TOO_LARGE = 'VALIDATION_ERROR: The message is larger than 8 MiB; nothing was sent. Send less at a time.'
const TOO_MANY =
  'VALIDATION_ERROR: Too many calls of this session are unanswered; this one was not sent. Wait for some of them.'
const OUTCOME_UNKNOWN =
  'OUTCOME_UNKNOWN: The daemon went away while this call ran, so it may or may not have had effect. ' +
  'Check first what it was to change (`worker_status` shows jobs and their state), then repeat it only if needed.'

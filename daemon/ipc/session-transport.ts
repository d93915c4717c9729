import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { failureAnswer } from '../wire/failure-answer.ts'
import { isNotification, isRequest, isResponse } from '../wire/json-rpc.ts'
import { MAX_UNANSWERED, MAX_UNANSWERED_BYTES } from '../wire/protocol.ts'
import { Unanswered } from '../wire/unanswered.ts'
import { OwnRequests } from './own-requests.ts'

const TOO_LARGE =
  'INTERNAL: The answer is larger than 8 MiB and cannot be delivered; what the call did stands. Ask for less at a time.'

/** Superseded by the next one of their kind, so a slow reader may miss some. */
const DROPPABLE = new Set(['notifications/progress', 'notifications/message'])

export interface TransportWire {
  /** See SessionConnection.transport; throws IPCProtocolError when the message is over the frame limit. */
  write(message: unknown, droppable: boolean): Promise<void>
  close(): void
}

/** The MCP SDK's Transport over one connection of the endpoint. */
export class SessionTransport implements Transport {
  onmessage?: Transport['onmessage']
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined

  readonly #wire: TransportWire
  readonly #own = new OwnRequests()
  /** Methods by id. */
  readonly #unanswered = new Unanswered<string>(MAX_UNANSWERED, MAX_UNANSWERED_BYTES)
  #early: { message: JSONRPCMessage; bytes: number }[] | undefined = []
  #closed = false

  constructor(wire: TransportWire) {
    this.#wire = wire
  }

  async start(): Promise<void> {
    const early = this.#early ?? []
    this.#early = undefined
    for (const { message } of early) this.onmessage?.(message)
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const droppable = 'method' in message && DROPPABLE.has(message.method)
    const asked = 'method' in message ? undefined : this.#unanswered.take(message.id)
    try {
      await this.#wire.write(this.#own.outgoing(message), droppable)
    } catch (error) {
      if (!isOversized(error) || 'method' in message || message.id === undefined) throw error
      const request = { id: message.id, method: asked ?? '' }
      await this.#wire.write(failureAnswer(request, TOO_LARGE), false)
    }
  }

  async close(): Promise<void> {
    this.#wire.close()
  }

  /** One message from the peer. Returns what is wrong with it when the peer must be dropped for it. */
  receive(value: unknown, bytes: number): string | undefined {
    if (!isMessage(value)) return 'malformed JSON-RPC message'
    const message = this.#own.incoming(value)
    if (message === undefined) return undefined
    if (isRequest(value)) {
      const { id, method } = value
      if (!this.#unanswered.add(id, method, bytes)) return 'too many unanswered requests'
    } else if (isNotification(value) && value.method === 'notifications/cancelled') {
      // A cancelled request is never answered.
      this.#unanswered.take(value.params?.requestId)
    }
    if (this.#early === undefined) this.onmessage?.(message)
    else {
      this.#early.push({ message, bytes })
      if (this.#early.length > MAX_UNANSWERED) return 'too many messages before the session is ready'
    }
    return undefined
  }

  /** The connection is over. */
  ended(): void {
    if (this.#closed) return
    this.#closed = true
    this.#early = []
    this.onclose?.()
  }
}

function isMessage(value: unknown): value is JSONRPCMessage {
  return isRequest(value) || isNotification(value) || isResponse(value)
}

function isOversized(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_IPC_FRAME_TOO_LARGE'
}

import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage } from '@modelcontextprotocol/sdk/types.js'
import { failureAnswer } from '../wire/failure-answer.ts'
import { isNotification, isRequest, isRequestId, isResponse, type RequestId } from '../wire/json-rpc.ts'
import { OwnRequests } from './own-requests.ts'

/** Requests of one connection that may run at once, and their bytes together. No honest client comes near. */
const MAX_UNANSWERED = 1024
const MAX_UNANSWERED_BYTES = 64 * 1024 * 1024

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
  readonly #unanswered = new Map<RequestId, { readonly method: string; readonly bytes: number }>()
  #unansweredBytes = 0
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
    let asked = ''
    if (!('method' in message) && isRequestId(message.id)) asked = this.#answered(message.id) ?? ''
    try {
      await this.#wire.write(this.#own.outgoing(message), droppable)
    } catch (error) {
      if (!isOversized(error) || 'method' in message || message.id === undefined) throw error
      await this.#wire.write(failureAnswer({ id: message.id, method: asked }, TOO_LARGE), false)
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
      this.#unanswered.set(value.id, { method: value.method, bytes })
      this.#unansweredBytes += bytes
      if (this.#unanswered.size > MAX_UNANSWERED || this.#unansweredBytes > MAX_UNANSWERED_BYTES) {
        return 'too many unanswered requests'
      }
    } else if (isNotification(value) && value.method === 'notifications/cancelled') {
      // A cancelled request is never answered.
      const id = value.params?.requestId
      if (isRequestId(id)) this.#answered(id)
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
    this.#unanswered.clear()
    this.#early = []
    this.onclose?.()
  }

  #answered(id: RequestId): string | undefined {
    const request = this.#unanswered.get(id)
    if (request === undefined) return undefined
    this.#unanswered.delete(id)
    this.#unansweredBytes -= request.bytes
    return request.method
  }
}

function isMessage(value: unknown): value is JSONRPCMessage {
  return isRequest(value) || isNotification(value) || isResponse(value)
}

function isOversized(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_IPC_FRAME_TOO_LARGE'
}

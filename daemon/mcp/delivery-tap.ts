import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import type { JSONRPCMessage, RequestId } from '@modelcontextprotocol/sdk/types.js'
import { withoutNullArguments } from './without-null-arguments.ts'

/** A cancellation this long after the answer still says that nobody took it (contract 4), ms. */
const WINDOW_MS = 2_000

interface Delivery {
  written: boolean
  /** The client answered a ping that we sent after the answer: what came before it has arrived. */
  reached: boolean
  timer: NodeJS.Timeout | undefined
  settle(outcome: Delivered): void
}

/**
 * `unsure`: it was written, and the connection ended before anything told whether it arrived. `left open`: we
 * ended the connection, so the client will be back and asks again for what it did not get.
 */
export type Delivered = 'received' | 'not received' | 'unsure' | 'left open'

/**
 * Stands between the SDK's server and its transport and tells whether an answer was received:
 *
 *   expected ── answer written ──▶ written ── 2 s, or another message of the client ──▶ received
 *      │ cancelled, closed                │ cancelled ▶ not received
 *      ▼                                  │ closed before the client was reached ▶ unsure
 *   not received                            └ closed after it was reached ▶ received
 *
 * Closed because this daemon ends: `left open`, from either. A cancellation that comes later changes nothing: clients
 * send them for calls completed long ago.
 */
export class DeliveryTap implements Transport {
  onmessage?: Transport['onmessage']
  onclose?: (() => void) | undefined
  onerror?: ((error: Error) => void) | undefined
  readonly #inner: Transport
  readonly #deliveries = new Map<RequestId, Delivery>()
  readonly #isLeaving: () => boolean
  #ping: () => Promise<unknown> = () => Promise.resolve()

  /** @param isLeaving true once this daemon ends */
  constructor(inner: Transport, isLeaving: () => boolean = () => false) {
    this.#inner = inner
    this.#isLeaving = isLeaving
  }

  /** How to ask the client for a sign of life. */
  usePing(ping: () => Promise<unknown>): void {
    this.#ping = ping
  }

  async start(): Promise<void> {
    this.#inner.onmessage = (message: JSONRPCMessage) => {
      this.#incoming(message)
      this.onmessage?.(withoutNullArguments(message))
    }
    this.#inner.onclose = () => {
      const left = this.#isLeaving() ? 'left open' : undefined
      for (const delivery of this.#deliveries.values()) delivery.settle(left ?? outcomeOfClose(delivery))
      this.onclose?.()
    }
    this.#inner.onerror = (error) => this.onerror?.(error)
    await this.#inner.start()
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const delivery = 'id' in message && !('method' in message) ? this.#of(message.id) : undefined
    await this.#inner.send(message)
    if (delivery === undefined) return
    delivery.written = true
    delivery.timer = setTimeout(() => delivery.settle('received'), WINDOW_MS)
    this.#ping().then(
      () => {
        delivery.reached = true
      },
      () => undefined,
    )
  }

  close(): Promise<void> {
    return this.#inner.close()
  }

  /** Resolves once with what became of the answer to this request. */
  expect(requestId: RequestId): Promise<Delivered> {
    return new Promise((resolve) => {
      const delivery: Delivery = {
        written: false,
        reached: false,
        timer: undefined,
        settle: (outcome) => {
          clearTimeout(delivery.timer)
          if (this.#deliveries.get(requestId) === delivery) this.#deliveries.delete(requestId)
          resolve(outcome)
        },
      }
      this.#deliveries.set(requestId, delivery)
    })
  }

  #of(id: RequestId | undefined): Delivery | undefined {
    return id === undefined ? undefined : this.#deliveries.get(id)
  }

  #incoming(message: JSONRPCMessage): void {
    if (this.#deliveries.size === 0 || !('method' in message)) return
    if (message.method === 'notifications/cancelled') {
      const id = message.params?.requestId
      if (typeof id !== 'string' && typeof id !== 'number') return
      this.#deliveries.get(id)?.settle('not received')
      return
    }
    // Any other message of this client ends the time in which a cancellation still counts.
    for (const delivery of this.#deliveries.values()) if (delivery.written) delivery.settle('received')
  }
}

function outcomeOfClose(delivery: Delivery): Delivered {
  if (!delivery.written) return 'not received'
  return delivery.reached ? 'received' : 'unsure'
}

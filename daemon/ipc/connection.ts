import type { IpcSocket } from 'node-ipc'
import { delay } from '../lifecycle/delay.ts'
import { HalfFrame } from '../wire/frame-parser.ts'
import type { EventName } from '../wire/protocol.ts'
import { OutboundQueue } from './outbound-queue.ts'
import type { CloseReason } from './session-connection.ts'
import type { SessionTransport } from './session-transport.ts'

/**
 * One accepted socket.
 *
 *   accepted → session | control   its hello fits our protocol
 *   accepted → ending              refused: it is told why
 *   session, control → ending      its owner closes it, or the endpoint stops: what is queued still goes out
 *   any → closed                   the peer is gone, or it is dropped
 *
 * Only the endpoint moves it.
 */
export type Phase = 'accepted' | 'session' | 'control' | 'ending' | 'closed'

export interface ConnectionLimits {
  /** Ticks a peer may take for its hello. */
  readonly helloTicks: number
  /** Ticks a frame may take from its first byte to its last. */
  readonly frameTicks: number
  /** Bytes of a hello, and of everything queued for one peer. */
  readonly helloBytes: number
  readonly outboundBytes: number
}

/** ms that a closing connection gets to take what is queued for it. */
const FLUSH_MS = 1_000

export class Connection {
  phase: Phase = 'accepted'
  transport: SessionTransport | undefined
  /** Control requests being worked on. */
  running = 0
  /** For log lines. */
  peer: { readonly pid?: number; readonly role?: string } = {}
  readonly closed: Promise<CloseReason>

  readonly #socket: IpcSocket
  readonly #encode: (event: string, data: unknown) => string
  readonly #limits: ConnectionLimits
  readonly #queue: OutboundQueue
  readonly #resolveClosed: (reason: CloseReason) => void
  #reason: CloseReason | undefined
  #ticks = 0
  #half: HalfFrame | undefined

  constructor(
    socket: IpcSocket,
    encode: (event: string, data: unknown) => string,
    limits: ConnectionLimits,
    dropped: (connection: Connection, reason: string) => void,
  ) {
    this.#socket = socket
    this.#encode = encode
    this.#limits = limits
    this.#queue = new OutboundQueue(socket, limits.outboundBytes, () => dropped(this, 'it reads too slowly'))
    let resolve: (reason: CloseReason) => void = () => undefined
    this.closed = new Promise((settle) => {
      resolve = settle
    })
    this.#resolveClosed = resolve
  }

  get isOpen(): boolean {
    return this.phase !== 'ending' && this.phase !== 'closed'
  }

  get isDestroyed(): boolean {
    return this.#socket.destroyed
  }

  /** Resolves when the kernel has it; rejects when the frame is too large or the connection ends first. */
  async send(event: EventName, data: unknown, droppable = false): Promise<void> {
    await this.#queue.push(this.#encode(event, data), droppable)
  }

  /** For messages nobody waits for: a connection that is gone needs none. */
  post(event: EventName, data: unknown): void {
    this.send(event, data).catch(() => undefined)
  }

  /** Lets what is queued go out, then closes. */
  async end(reason: CloseReason): Promise<void> {
    if (!this.isOpen) return
    this.phase = 'ending'
    this.#reason ??= reason
    const deadline = new AbortController()
    await Promise.race([this.#queue.drained(), this.closed, delay(FLUSH_MS, deadline.signal)])
    deadline.abort()
    this.destroy(reason)
  }

  /** Closes at once. */
  destroy(reason: CloseReason): void {
    if (this.phase === 'closed') return
    this.phase = 'closed'
    this.#reason ??= reason
    // What the kernel has still reaches the peer; destroySoon waits only for what Node itself holds.
    if (this.#queue.bytes === 0) this.#socket.destroySoon()
    else this.#socket.destroy()
    this.#queue.close(new Error(`the connection is closed: ${this.#reason.detail}`))
    this.#resolveClosed(this.#reason)
    this.transport?.ended()
  }

  /**
   * Called at a steady pace. Counting calls instead of reading a clock forgives our own stalls: after
   * a stop of a minute one tick has passed, not sixty. Returns why the peer must be dropped, if it must.
   */
  tick(): string | undefined {
    const state = this.#socket.ipcBuffer
    const half = state instanceof HalfFrame ? state : undefined
    if (this.phase === 'accepted' && half !== undefined && half.bytes > this.#limits.helloBytes) {
      return 'its hello is too large'
    }
    if (this.phase !== 'accepted' && half !== this.#half) this.#ticks = 0
    this.#half = half
    if (this.phase === 'accepted') {
      this.#ticks += 1
      return this.#ticks > this.#limits.helloTicks ? 'it sent no hello in time' : undefined
    }
    if (half === undefined) return undefined
    this.#ticks += 1
    return this.#ticks > this.#limits.frameTicks ? 'it left a message half sent' : undefined
  }
}

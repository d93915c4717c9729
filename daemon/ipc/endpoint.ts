import type { IpcSocket } from 'node-ipc'
import { IPCProtocolError } from 'node-ipc/parsers'
import { messageOf, toDaemonError } from '../errors.ts'
import type { Service } from '../lifecycle/service.ts'
import type { Logger } from '../logger.ts'
import type { Paths } from '../paths.ts'
import type { Redactor } from '../redact.ts'
import { type ControlReply, type ControlRequest, isControlRequest } from '../wire/control.ts'
import type { Goodbye, Refusal, Welcome } from '../wire/hello.ts'
import { EVENT } from '../wire/protocol.ts'
import { Connection, type ConnectionLimits } from './connection.ts'
import { greet } from './greet.ts'
import type { ListenerHandlers } from './listener.ts'
import { PublishedSocket } from './published-socket.ts'
import type { CloseReason, SessionConnection } from './session-connection.ts'
import { SessionTransport } from './session-transport.ts'

export interface EndpointLimits extends ConnectionLimits {
  readonly maxConnections: number
  /** ms between two sweeps over all connections. */
  readonly tickMs: number
  /** Ticks between two looks at the socket's path. */
  readonly selfCheckTicks: number
  /** Control requests of one connection at a time. */
  readonly controlRequests: number
}

const LIMITS: EndpointLimits = {
  maxConnections: 4096,
  tickMs: 1_000,
  selfCheckTicks: 5,
  helloTicks: 10,
  frameTicks: 30,
  helloBytes: 256 * 1024,
  outboundBytes: 24 * 1024 * 1024,
  controlRequests: 32,
}

/** Dropped peers logged one by one in a tick; the rest is counted. */
const LOGGED_DROPS = 10

export interface EndpointOptions {
  readonly paths: Pick<Paths, 'socket' | 'runDir' | 'home' | 'isDefaultHome'>
  readonly logger: Logger
  readonly redactor: Pick<Redactor, 'clean'>
  /** Asked at each hello. */
  welcome(): Welcome
  /** Why no session is served now, if so; asked at each hello. */
  refuseSessions?(): Refusal | undefined
  /** A shim was welcomed. Connect an MCP server to `connection.transport`. */
  onSession(connection: SessionConnection): void
  /** What it returns is the reply's result; a thrown DaemonError is its error. */
  onControl(request: ControlRequest): Promise<unknown>
  /** The path holds another's socket: this daemon can no longer be reached there. */
  onReplaced?(detail: string): void
  readonly limits?: Partial<EndpointLimits>
}

/**
 * The daemon's socket and everybody connected to it. Start it only while holding the instance lock.
 * Peers are processes of this user, not friends: one that breaks the protocol or a limit is dropped
 * with a logged reason, and no other peer notices.
 */
export class Endpoint implements Service {
  readonly name = 'endpoint'
  readonly #options: EndpointOptions
  readonly #limits: EndpointLimits
  readonly #socket: PublishedSocket
  readonly #connections = new Map<IpcSocket, Connection>()
  #timer: NodeJS.Timeout | undefined
  #ticks = 0
  #drops = 0
  #stopping: Promise<void> | undefined

  constructor(options: EndpointOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#socket = new PublishedSocket({
      paths: options.paths,
      maxConnections: this.#limits.maxConnections,
      handlers: this.#handlers,
      logger: options.logger,
      onReplaced: (detail) => options.onReplaced?.(detail),
    })
  }

  /** Sessions connected now. */
  get sessions(): number {
    let count = 0
    for (const connection of this.#connections.values()) if (connection.phase === 'session') count += 1
    return count
  }

  async start(): Promise<void> {
    await this.#socket.publish()
    this.#timer = setInterval(() => this.#tick(), this.#limits.tickMs)
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  /** Tells every session that this daemon ends, and whether another takes over. */
  goodbye(reason: Goodbye['reason']): void {
    const goodbye: Goodbye = { reason }
    for (const connection of this.#connections.values()) {
      if (connection.phase === 'session') connection.post(EVENT.goodbye, goodbye)
    }
  }

  async #stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#socket.withdraw()
    const reason: CloseReason = { kind: 'stopped', detail: 'the daemon stops' }
    await Promise.all(Array.from(this.#connections.values(), (connection) => connection.end(reason)))
    await this.#socket.close()
  }

  readonly #handlers: ListenerHandlers = {
    connected: (socket, listener) => {
      const connection = new Connection(socket, listener.encode, this.#limits, (one, reason) =>
        this.#drop(one, reason),
      )
      this.#connections.set(socket, connection)
    },
    received: (socket, event, data, bytes) => {
      const connection = this.#connections.get(socket)
      // Frames behind the one a peer was dropped for still arrive.
      if (connection?.isOpen !== true) return
      try {
        const fault = this.#receive(connection, event, data, bytes)
        if (fault !== undefined) this.#drop(connection, fault)
      } catch (error) {
        this.#options.logger.error({ err: messageOf(error) }, 'a message could not be handled')
        this.#drop(connection, 'its message could not be handled')
      }
    },
    failed: (error) => {
      // node-ipc does not say whose error it is, but has just destroyed that socket.
      for (const connection of this.#connections.values()) {
        if (!connection.isDestroyed || !connection.isOpen) continue
        if (error instanceof IPCProtocolError) this.#drop(connection, error.message)
        else connection.destroy({ kind: 'gone', detail: error.message })
        return
      }
    },
    closed: (socket) => {
      const connection = this.#connections.get(socket)
      this.#connections.delete(socket)
      connection?.destroy({ kind: 'gone', detail: 'the peer closed the connection' })
    },
  }

  /** Returns why the peer must be dropped, if it must. */
  #receive(connection: Connection, event: string, data: unknown, bytes: number): string | undefined {
    if (event === EVENT.hello && connection.phase === 'accepted') {
      if (bytes > this.#limits.helloBytes) return 'its hello is too large'
      return this.#hello(connection, data)
    }
    if (event === EVENT.mcp && connection.transport !== undefined) {
      return connection.transport.receive(data, bytes)
    }
    if (event === EVENT.control && connection.phase === 'control') return this.#control(connection, data)
    return `"${event}" came out of turn`
  }

  #hello(connection: Connection, data: unknown): string | undefined {
    const greeting = greet(data, this.#options.welcome(), this.#options.paths)
    if ('refusal' in greeting) {
      this.#logDrop(connection, greeting.refusal.message)
      return refuse(connection, greeting.refusal)
    }
    const { hello, welcome } = greeting
    const closed = hello.role === 'session' ? this.#options.refuseSessions?.() : undefined
    if (closed !== undefined) return refuse(connection, closed)
    connection.peer = { pid: hello.pid, role: hello.role }
    connection.phase = hello.role
    connection.post(EVENT.welcome, welcome)
    if (hello.role === 'control') return undefined
    const close = (detail: string) => void connection.end({ kind: 'closed', detail })
    const transport = new SessionTransport({
      write: (message, droppable) => connection.send(EVENT.mcp, message, droppable),
      close: () => close('its server closed it'),
    })
    connection.transport = transport
    this.#options.onSession({ hello, transport, closed: connection.closed, close })
    return undefined
  }

  #control(connection: Connection, data: unknown): string | undefined {
    if (!isControlRequest(data)) return 'malformed control request'
    if (connection.running >= this.#limits.controlRequests) return 'too many control requests at once'
    connection.running += 1
    void this.#reply(connection, data)
    return undefined
  }

  async #reply(connection: Connection, request: ControlRequest): Promise<void> {
    const { id } = request
    const reply = (reply: ControlReply) => connection.send(EVENT.reply, reply)
    const refuse = (thrown: unknown) => {
      const { code, message, remedy } = toDaemonError(thrown)
      const { redactor } = this.#options
      const error = { code, message: redactor.clean(message), remedy: redactor.clean(remedy) }
      return reply({ id, ok: false, error })
    }
    try {
      const result = await this.#options.onControl(request)
      await reply({ id, ok: true, result })
    } catch (error) {
      if (connection.isOpen) await refuse(error).catch(() => undefined)
    } finally {
      connection.running -= 1
    }
  }

  #drop(connection: Connection, reason: string): void {
    if (connection.phase === 'closed') return
    this.#logDrop(connection, reason)
    connection.destroy({ kind: 'dropped', detail: reason })
  }

  /** A flood of bad peers must not become a flood of lines. */
  #logDrop(connection: Connection, reason: string): void {
    this.#drops += 1
    if (this.#drops > LOGGED_DROPS) return
    this.#options.logger.warn({ ...connection.peer, reason }, 'dropped a connection')
  }

  #tick(): void {
    if (this.#drops > LOGGED_DROPS) {
      const more = this.#drops - LOGGED_DROPS
      this.#options.logger.warn({ more }, 'dropped more connections')
    }
    this.#drops = 0
    for (const connection of this.#connections.values()) {
      const fault = connection.isOpen ? connection.tick() : undefined
      if (fault !== undefined) this.#drop(connection, fault)
    }
    this.#ticks += 1
    if (this.#ticks % this.#limits.selfCheckTicks === 0) void this.#socket.check()
  }
}

/** Tells the peer why, and hangs up. */
function refuse(connection: Connection, refusal: Refusal): undefined {
  connection.post(EVENT.refused, refusal)
  void connection.end({ kind: 'dropped', detail: refusal.message })
}

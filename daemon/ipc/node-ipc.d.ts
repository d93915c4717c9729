// node-ipc 14.0.0 ships no types. Declared here: what this project uses, as its sources have it.

declare module 'node-ipc/parsers' {
  export class IPCProtocolError extends Error {
    constructor(code: string, message: string)
    readonly code: string
  }
  export interface Frame {
    readonly type: string
    readonly data?: unknown
  }
  export interface ParserConfig {
    readonly delimiter: string
    readonly maxMessageSize: number
    readonly maxPendingBytes: number
    readonly maxEventNameLength: number
    readonly messageTimeout: number
    readonly allowReservedEvents: boolean
  }
  export class GuardedParser {
    constructor(config?: ParserConfig)
    readonly maxMessageSize: number
    /** One frame, delimiter included; throws IPCProtocolError when it is over `maxMessageSize`. */
    encode(type: string, data?: unknown): string
    /** Called with what it returned last for this socket, '' at first. */
    read(state: unknown, chunk: string, receive: (frame: Frame) => void): unknown
    decodeMessage(frame: string): Frame
    validateType(type: unknown): void
    assertFrameSize(characters: number, bytes: number): void
  }
}

declare module 'node-ipc' {
  import type { Server as NetServer, Socket } from 'node:net'
  import type { GuardedParser, ParserConfig } from 'node-ipc/parsers'

  export interface Config extends ParserConfig {
    parser: 'guarded' | (new (config?: ParserConfig) => GuardedParser)
    appspace: string
    socketRoot: string
    id: string
    silent: boolean
    maxMessageSize: number
    maxPendingBytes: number
    /** ms; 0: none */
    messageTimeout: number
    maxConnections: number
    maxRetries: number
    unlink: boolean
  }
  export interface IpcSocket extends Socket {
    /** What the parser's `read` returned last: not empty while a frame is half received. */
    ipcBuffer?: unknown
  }
  export interface Client {
    readonly socket: Socket
    readonly protocolViolation: boolean
    on(event: 'connect' | 'disconnect', handler: () => void): this
    on(event: 'error', handler: (error: Error) => void): this
    on(event: string, handler: (data: unknown) => void): this
    emit(event: string, data: unknown): boolean
    encode(event: string, data: unknown): string
  }
  export interface Server {
    readonly parser: GuardedParser
    readonly server: NetServer | false
    on(event: 'connect' | 'close', handler: (socket: IpcSocket) => void): this
    on(event: 'error', handler: (error: Error) => void): this
    on(event: string, handler: (data: unknown, socket: IpcSocket) => void): this
    start(): void
    stop(): void
    encode(event: string, data: unknown): string
  }
  export class IPCModule {
    readonly config: Config
    readonly of: Record<string, Client | undefined>
    readonly server: Server | false
    serve(path: string, started: () => void): void
    /** `made` runs before the connection stands. */
    connectTo(id: string, path: string, made?: () => void): void
    disconnect(id: string): void
  }
}

import { dirname, sep } from 'node:path'
import { IPCModule, type IpcSocket } from 'node-ipc'
import { FrameParser } from '../wire/frame-parser.ts'
import { EVENT, MAX_FRAME_BYTES, MAX_PENDING_BYTES } from '../wire/protocol.ts'

export interface ListenerHandlers {
  connected(socket: IpcSocket, listener: Listener): void
  received(socket: IpcSocket, event: string, data: unknown, bytes: number): void
  /** An error of one connection or of accepting; node-ipc destroys a connection that broke its framing before. */
  failed(error: Error): void
  closed(socket: IpcSocket): void
}

/** One bound node-ipc server. */
export interface Listener {
  /** Throws IPCProtocolError when the frame is over MAX_FRAME_BYTES. */
  encode(event: string, data: unknown): string
  /** Accepts nobody any more; standing connections go on. */
  stopAccepting(): void
  /** Destroys what still stands. */
  stop(): void
}

/** Binds `path` (bytes: at most MAX_SOCKET_PATH_BYTES), which must lie in a private directory and be ours to replace. */
export function listen(path: string, maxConnections: number, handlers: ListenerHandlers): Promise<Listener> {
  const ipc = new IPCModule()
  Object.assign(ipc.config, {
    silent: true,
    parser: FrameParser,
    socketRoot: dirname(path) + sep,
    appspace: '',
    maxMessageSize: MAX_FRAME_BYTES,
    maxPendingBytes: MAX_PENDING_BYTES,
    maxConnections,
    // Its timer ends busy connections that never pause between two frames; the endpoint sweeps instead.
    messageTimeout: 0,
  })
  return new Promise((resolve, reject) => {
    let bound = false
    ipc.serve(path, () => {
      bound = true
      resolve(listener)
    })
    const server = ipc.server
    if (server === false) return reject(new Error('node-ipc made no server'))
    const parser = server.parser
    const listener: Listener = {
      encode: (event, data) => server.encode(event, data),
      stopAccepting: () => {
        if (server.server !== false) server.server.close()
      },
      stop: () => server.stop(),
    }
    server.on('error', (error) => (bound ? handlers.failed(error) : reject(error)))
    server.on('connect', (socket) => handlers.connected(socket, listener))
    server.on('close', (socket) => handlers.closed(socket))
    for (const event of Object.values(EVENT)) {
      server.on(event, (data, socket) => {
        handlers.received(socket, event, data, parser instanceof FrameParser ? parser.frameBytes : 0)
      })
    }
    server.start()
  })
}

import type { Socket } from 'node:net'
import { IPCModule } from 'node-ipc'
import { FrameParser } from './frame-parser.ts'
import { EVENT, type EventName, MAX_FRAME_BYTES, MAX_PENDING_BYTES } from './protocol.ts'
import { VerbatimParser, verbatimFrame } from './verbatim-parser.ts'

export interface DialHandlers {
  connected(): void
  received(event: EventName, data: unknown): void
  /** Once, also when no connection came to stand; never after `close()`. */
  closed(error: Error | undefined): void
}

/** The client's end of one connection to a daemon. It never reconnects by itself. */
export interface Line {
  readonly socket: Socket
  /** The frame of an event; throws IPCProtocolError when it is over MAX_FRAME_BYTES. */
  encode(event: EventName, data: unknown): string
  /** Sends one MCP message, given as JSON. */
  sendVerbatim(json: string): void
  close(): void
}

const ID = 'daemon'

/** Connects to the socket at `path`. `messages`: MCP messages are received as objects, or as the JSON they came in. */
export function dial(path: string, handlers: DialHandlers, messages: 'parsed' | 'verbatim' = 'parsed'): Line {
  const ipc = new IPCModule()
  Object.assign(ipc.config, {
    silent: true,
    parser: messages === 'verbatim' ? VerbatimParser : FrameParser,
    maxMessageSize: MAX_FRAME_BYTES,
    maxPendingBytes: MAX_PENDING_BYTES,
    messageTimeout: 0,
    // node-ipc's own reconnecting loses messages silently and knows one constant delay.
    maxRetries: 0,
  })
  ipc.connectTo(ID, path)
  const client = ipc.of[ID]
  if (client === undefined) throw new Error('node-ipc made no client')
  let failure: Error | undefined
  for (const event of Object.values(EVENT)) client.on(event, (data) => handlers.received(event, data))
  client.on('connect', () => handlers.connected())
  client.on('error', (error) => {
    failure ??= error
  })
  client.on('disconnect', () => {
    ipc.disconnect(ID)
    handlers.closed(failure)
  })
  return {
    socket: client.socket,
    encode: (event, data) => client.encode(event, data),
    sendVerbatim: (json) => void client.socket.write(verbatimFrame(json)),
    close: () => ipc.disconnect(ID),
  }
}

import { dirname } from 'node:path'
import { DaemonError } from '../daemon/errors.ts'
import { type Paths, resolvePaths } from '../daemon/paths.ts'
import { checkPrivateDirectory } from '../daemon/wire/check-private-directory.ts'
import { daemonCommand } from '../daemon/wire/daemon-command.ts'
import { dial, type Line } from '../daemon/wire/dial.ts'
import type { Goodbye, Welcome } from '../daemon/wire/hello.ts'
import { isRecord, type JsonRpcRequest } from '../daemon/wire/json-rpc.ts'
import { EVENT, type EventName } from '../daemon/wire/protocol.ts'
import { composeHello } from './compose-hello.ts'
import type { Output } from './stdio.ts'
import type { Upstream, UpstreamEvents } from './upstream.ts'
import { VerbatimParser, verbatimFrame } from './verbatim-parser.ts'

/** Jittered between the two, ms: soon enough for a call that waits, spread enough for a thousand shims. */
const RETRY_MIN_MS = 25
const RETRY_MAX_MS = 400
/** While no call waits, or only another daemon would help, ms. A new call asks at once. */
const RETRY_IDLE_MS = 2_000
const CONGESTED_BYTES = 1024 * 1024

export interface LinkOptions {
  readonly argv: readonly string[]
  readonly env: NodeJS.ProcessEnv
  readonly initialize: JsonRpcRequest | undefined
  readonly output: Pick<Output, 'full'> & { onDrain: () => void }
}

/** The connection to the daemon, made again for as long as this process lives. */
export class Link implements Upstream {
  readonly #events: UpstreamEvents
  readonly #options: LinkOptions
  readonly #paths: Paths
  readonly #hello: ReturnType<typeof composeHello>
  #line: Line | undefined
  #connected = false
  #timer: NodeJS.Timeout | undefined
  #attempts = 0
  #fault: DaemonError | undefined

  constructor(options: LinkOptions, events: UpstreamEvents) {
    this.#options = options
    this.#events = events
    this.#paths = resolvePaths(options.env, { home: homeOf(options.argv) })
    this.#hello = composeHello(options.env, options.initialize)
    options.output.onDrain = () => this.#line?.socket.resume()
    void this.#connect()
  }

  get refused(): boolean {
    return this.#fault?.code === 'PROTOCOL_MISMATCH'
  }

  get congested(): boolean {
    return (this.#line?.socket.writableLength ?? 0) > CONGESTED_BYTES
  }

  wanted(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#attempts = 0
    void this.#connect()
  }

  send(json: string): void {
    this.#line?.socket.write(verbatimFrame(json))
  }

  unreachable(): string {
    const start = daemonCommand('start', this.#paths)
    if (this.#fault !== undefined) return this.#fault.text
    if (this.#connected) {
      const status = daemonCommand('status', this.#paths)
      return `DAEMON_UNREACHABLE: The Scrum4Me daemon is there but does not answer. Try again; if it stays so, look at \`${status}\`.`
    }
    return `DAEMON_UNREACHABLE: No Scrum4Me daemon is running for ${this.#paths.home}. Start it with \`${start}\`, then call again.`
  }

  async #connect(): Promise<void> {
    const { socket } = this.#paths
    try {
      await checkPrivateDirectory(dirname(socket))
    } catch (error) {
      this.#fault = error instanceof DaemonError ? error : undefined
      return this.#retry()
    }
    const hello = await this.#hello
    this.#line = dial(
      socket,
      {
        connected: () => {
          this.#connected = true
          this.#line?.socket.write(this.#line.encode(EVENT.hello, hello))
        },
        received: (event, data) => this.#received(event, data),
        closed: () => {
          this.#line = undefined
          const wasConnected = this.#connected
          this.#connected = false
          if (wasConnected) this.#events.disconnected()
          else this.#fault = undefined
          this.#retry()
        },
      },
      VerbatimParser,
    )
  }

  #received(event: EventName, data: unknown): void {
    if (event === EVENT.mcp && typeof data === 'string') {
      this.#events.received(data)
      if (this.#options.output.full) this.#line?.socket.pause()
    } else if (event === EVENT.welcome && isWelcome(data)) {
      this.#attempts = 0
      this.#fault = undefined
      this.#events.welcomed(data)
    } else if (event === EVENT.goodbye && isGoodbye(data)) this.#events.goodbye(data)
    else if (event === EVENT.refused && isRecord(data)) {
      const code = data.code === 'PROTOCOL_MISMATCH' ? 'PROTOCOL_MISMATCH' : 'DAEMON_UNREACHABLE'
      this.#fault = new DaemonError(code, String(data.message), String(data.remedy))
      this.#events.refused()
    }
  }

  #retry(): void {
    const isUrgent = this.#events.isWaiting && this.#fault === undefined
    const cap = Math.min(isUrgent ? RETRY_MAX_MS : RETRY_IDLE_MS, RETRY_MIN_MS * 2 ** this.#attempts)
    this.#attempts = Math.min(this.#attempts + 1, 10)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        this.#timer = undefined
        void this.#connect()
      },
      RETRY_MIN_MS + Math.random() * cap,
    )
  }
}

function homeOf(argv: readonly string[]): string | undefined {
  const at = argv.indexOf('--home')
  if (at !== -1) return argv[at + 1]
  return argv.find((word) => word.startsWith('--home='))?.slice('--home='.length)
}

function isWelcome(data: unknown): data is Welcome {
  return isRecord(data) && typeof data.catalog === 'string'
}

function isGoodbye(data: unknown): data is Goodbye {
  return isRecord(data) && (data.reason === 'restart' || data.reason === 'stop')
}

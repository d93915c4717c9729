import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { DaemonError } from '../daemon/errors.ts'
import { resolvePaths } from '../daemon/paths.ts'
import { checkPrivateDirectory } from '../daemon/wire/check-private-directory.ts'
import { composeHello } from '../daemon/wire/compose-hello.ts'
import { daemonCommand } from '../daemon/wire/daemon-command.ts'
import { dial, type Line } from '../daemon/wire/dial.ts'
import { isRecord } from '../daemon/wire/json-rpc.ts'
import { EVENT, type EventName } from '../daemon/wire/protocol.ts'
import { VerbatimParser, verbatimFrame } from '../daemon/wire/verbatim-parser.ts'
import type { Session } from './session.ts'

/** Longest pauses between two attempts, of which a random part is taken so that a thousand shims spread, ms. */
const RETRY_MS = 400
const IDLE_RETRY_MS = 2_000
const CONGESTED_BYTES = 1024 * 1024

/**
 * The connection to the daemon, made again for as long as this process lives.
 *
 *   away → silent    connected; our hello is out
 *   silent → open    the daemon welcomed us
 *   open → leaving   it said goodbye: answers still come, calls go to the next one
 *   any → away       the connection ended
 */
export class Link {
  readonly #session: Session
  readonly #paths = resolvePaths(process.env, { home: homeArgument() })
  readonly #hello: ReturnType<typeof composeHello>
  #phase: 'away' | 'silent' | 'open' | 'leaving' = 'away'
  #line: Line | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why the daemon that is there cannot be used. */
  #fault: DaemonError | undefined

  constructor(session: Session, clientInfo: unknown) {
    this.#session = session
    this.#hello = composeHello(process.env, clientInfo)
    process.stdout.on('drain', () => this.#line?.socket.resume())
    void this.#connect()
  }

  /** True while the daemon takes new calls. */
  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /** True while the daemon reads more slowly than the client writes. */
  get isCongested(): boolean {
    return (this.#line?.socket.writableLength ?? 0) > CONGESTED_BYTES
  }

  /** Why no daemon answers, as `CODE: sentence. Remedy.` */
  get unreachable(): string {
    if (this.#fault !== undefined) return this.#fault.text
    if (this.#phase === 'silent' || this.#phase === 'open') {
      const status = daemonCommand('status', this.#paths)
      return `DAEMON_UNREACHABLE: The Scrum4Me daemon is there but does not answer. Try again; if it stays so, look at \`${status}\`.`
    }
    const start = daemonCommand('start', this.#paths)
    return `DAEMON_UNREACHABLE: No Scrum4Me daemon is running for ${this.#paths.home}. Start it with \`${start}\`, then call again.`
  }

  /** One message as JSON; none crosses before the daemon has welcomed us. */
  send(json: string): void {
    if (this.#phase === 'open' || this.#phase === 'leaving') this.#line?.socket.write(verbatimFrame(json))
  }

  /** A call waits: no pause before the next attempt. */
  hurry(): void {
    if (this.#timer !== undefined) void this.#connect()
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    try {
      await checkPrivateDirectory(dirname(this.#paths.socket))
      const hello = await this.#hello
      const handlers = {
        connected: () => {
          this.#phase = 'silent'
          this.#line?.socket.write(this.#line.encode(EVENT.hello, hello))
        },
        received: (event: EventName, data: unknown) => this.#received(event, data),
        closed: (error: unknown) => this.#closed(error),
      }
      this.#line = dial(this.#paths.socket, handlers, VerbatimParser)
    } catch (error) {
      this.#closed(error)
    }
  }

  #received(event: EventName, data: unknown): void {
    if (event === EVENT.mcp && typeof data === 'string') {
      this.#session.fromDaemon(data)
      if (process.stdout.writableNeedDrain) this.#line?.socket.pause()
    } else if (!isRecord(data)) return
    else if (event === EVENT.welcome) {
      this.#phase = 'open'
      this.#fault = undefined
      this.#session.welcomed(String(data.catalog))
    } else if (event === EVENT.goodbye) {
      this.#phase = 'leaving'
      if (data.reason === 'restart') this.#session.restarting()
    } else if (event === EVENT.refused) {
      const code = data.code === 'PROTOCOL_MISMATCH' ? data.code : 'DAEMON_UNREACHABLE'
      this.#refused(new DaemonError(code, String(data.message), String(data.remedy)))
    }
  }

  #refused(fault: DaemonError): void {
    this.#fault = fault
    this.#session.refused()
  }

  #closed(error: unknown): void {
    const phase = this.#phase
    this.#phase = 'away'
    this.#line = undefined
    if (error instanceof DaemonError) this.#refused(error)
    else if (phase === 'away') this.#fault = undefined
    else if (phase !== 'silent') this.#session.disconnected()
    const pause = Math.random() * (this.#session.isWaiting ? RETRY_MS : IDLE_RETRY_MS)
    this.#timer = setTimeout(() => void this.#connect(), pause)
  }
}

function homeArgument(): string | undefined {
  const { home } = parseArgs({ options: { home: { type: 'string' } }, strict: false }).values
  return typeof home === 'string' ? home : undefined
}

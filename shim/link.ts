import { dirname } from 'node:path'
import { DaemonError } from '../daemon/errors.ts'
import { relativeLocations, resolvePaths } from '../daemon/paths.ts'
import { checkPrivateDirectory } from '../daemon/wire/check-private-directory.ts'
import { composeHello } from '../daemon/wire/compose-hello.ts'
import { daemonUnreachable } from '../daemon/wire/daemon-unreachable.ts'
import type { DialHandlers, Line } from '../daemon/wire/dial.ts'
import type { SessionHello } from '../daemon/wire/hello.ts'
import { isRecord } from '../daemon/wire/json-rpc.ts'
import { EVENT, type EventName } from '../daemon/wire/protocol.ts'
import type { Session } from './session.ts'

/** Longest pauses between two attempts, of which a random part is taken so that a thousand shims spread, ms. */
const RETRY_MS = 400
const IDLE_RETRY_MS = 2_000
/** While the daemon reads more slowly than the client writes: stdin pauses, but its end is seen within 100 ms. */
const CONGESTED_BYTES = 1024 * 1024
const CONGESTED_PAUSE_MS = 15

/**
 * The connection to the daemon, made again for as long as this process lives.
 *
 *   away → silent    connected; our hello is out
 *   silent → open    the daemon welcomed us
 *   open → leaving   it said goodbye: answers still come, calls go to the next one
 *   any → away       the connection ended
 */
export class Link implements DialHandlers {
  phase: 'away' | 'silent' | 'open' | 'leaving' = 'away'
  readonly #session: Session
  readonly #paths = resolvePaths(process.env, { home: homeArgument() })
  #hello: SessionHello | undefined
  #line: Line | undefined
  #timer: NodeJS.Timeout | undefined
  /** Why the daemon that is there cannot be used. */
  #fault: DaemonError | undefined

  constructor(session: Session) {
    this.#session = session
  }

  /** To be called once the client has its first answer. */
  start(): void {
    process.stdout.on('drain', () => this.#line?.socket.resume())
    void this.#connect()
  }

  /** Why no daemon takes calls, as `CODE: sentence. Remedy.` */
  get unreachable(): string {
    const isThere = this.phase === 'silent' || this.phase === 'open'
    return (this.#fault ?? daemonUnreachable(this.#paths, isThere)).text
  }

  /** One message as JSON; none crosses before the daemon has welcomed us. */
  send(json: string): void {
    if (this.#line === undefined || this.phase === 'away' || this.phase === 'silent') return
    this.#line.sendVerbatim(json)
    if (this.#line.socket.writableLength <= CONGESTED_BYTES) return
    process.stdin.pause()
    setTimeout(() => process.stdin.resume(), CONGESTED_PAUSE_MS)
  }

  /** A call waits: no pause before the next attempt. */
  hurry(): void {
    if (this.#timer !== undefined) void this.#connect()
  }

  async #connect(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#fault = undefined
    const { socket, home } = this.#paths
    try {
      const [name] = relativeLocations(process.env, { home: homeArgument() })
      if (name !== undefined) throw notAbsolute(name)
      this.#hello ??= await composeHello(process.env, this.#session.clientInfo)
      await checkPrivateDirectory(dirname(socket), { home })
      // Loaded when the client has its first answer, because it takes a while.
      const { dial } = await import('../daemon/wire/dial.ts')
      this.#line = dial(socket, this, 'verbatim')
    } catch (error) {
      if (error instanceof DaemonError) this.#refused(error)
      this.closed()
    }
  }

  connected(): void {
    this.phase = 'silent'
    this.#line?.socket.write(this.#line.encode(EVENT.hello, this.#hello))
  }

  received(event: EventName, data: unknown): void {
    if (event === EVENT.mcp && typeof data === 'string') {
      this.#session.fromDaemon(data)
      if (process.stdout.writableNeedDrain) this.#line?.socket.pause()
    } else if (!isRecord(data)) return
    else if (event === EVENT.welcome) {
      this.phase = 'open'
      this.#session.welcomed(String(data.catalog))
    } else if (event === EVENT.goodbye) {
      this.phase = 'leaving'
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

  closed(): void {
    const wasWelcomed = this.phase === 'open' || this.phase === 'leaving'
    this.phase = 'away'
    this.#line = undefined
    if (wasWelcomed) this.#session.disconnected()
    const pause = Math.random() * (this.#session.isWaiting ? RETRY_MS : IDLE_RETRY_MS)
    this.#timer = setTimeout(() => void this.#connect(), pause)
  }
}

function notAbsolute(name: string): DaemonError {
  return new DaemonError(
    'DAEMON_UNREACHABLE',
    `No daemon can be found: ${name} of this server's environment is no absolute path`,
    'Write the whole path, beginning with / or ~/, in the MCP configuration, then start the session again',
  )
}

/** By hand: `parseArgs` of `node:util` takes a tenth of an idle shim's memory. */
function homeArgument(): string | undefined {
  const at = process.argv.indexOf('--home')
  if (at !== -1) return process.argv[at + 1]
  return process.argv.find((word) => word.startsWith('--home='))?.slice('--home='.length)
}

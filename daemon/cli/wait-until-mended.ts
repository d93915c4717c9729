import { loadConfig } from '../config/load-config.ts'
import { DaemonError, messageOf, toDaemonError } from '../errors.ts'
import { Endpoint } from '../ipc/endpoint.ts'
import { ensureHome } from '../ipc/ensure-home.ts'
import { takeInstanceLock } from '../ipc/instance-lock.ts'
import { delay } from '../lifecycle/delay.ts'
import { openLogOutput } from '../log-sinks.ts'
import { createLogger } from '../logger.ts'
import { Redactor } from '../redact.ts'
import { VERSION } from '../version.ts'
import type { ControlRequest } from '../wire/control.ts'
import { withHome } from '../wire/daemon-command.ts'
import { PROTOCOL } from '../wire/protocol.ts'
import { NOTHING_KNOWN, type StatusReport } from '../wire/status-report.ts'
import { EXIT } from './exit.ts'
import type { Invocation } from './invocation.ts'

/** How often the configuration is looked at again, ms. */
const RECHECK_MS = 5_000

/**
 * For a supervisor that restarts whatever ends (launchd): a daemon with a wrong configuration stays, holds
 * the home, tells `status` and every session what is wrong, and looks again. Ends with 0 once it is mended,
 * so that the supervisor starts it afresh, with everything in order from the beginning.
 */
export async function waitUntilMended(invocation: Invocation, fault: DaemonError): Promise<number> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGTERM', end).once('SIGINT', end)
  invocation.terminal.err(
    'Waiting for the configuration to be corrected, because the supervisor would only start this again.',
  )
  const desk = new Desk(invocation, fault, end)
  try {
    while (!ended.signal.aborted) {
      // A home that is itself what is wrong has no place for a lock and a socket.
      await desk.open()
      await delay(RECHECK_MS, ended.signal)
      const now = await findFault(invocation)
      if (now === undefined) return EXIT.ok
      desk.fault = now
    }
    return EXIT.ok
  } finally {
    await desk.close()
  }
}

async function findFault({ env, home, paths }: Invocation): Promise<DaemonError | undefined> {
  try {
    await loadConfig({ env, home, redactor: new Redactor() })
    await ensureHome(paths)
    return undefined
  } catch (error) {
    return toDaemonError(error)
  }
}

/** Instance lock and endpoint of a daemon that can do nothing but say why. */
class Desk {
  fault: DaemonError
  readonly #invocation: Invocation
  readonly #stop: () => void
  readonly #startedAt = new Date()
  #close: (() => Promise<void>) | undefined

  constructor(invocation: Invocation, fault: DaemonError, stop: () => void) {
    this.#invocation = invocation
    this.fault = fault
    this.#stop = stop
  }

  /** Opens it unless it is open. Where that is impossible there is only stderr, which has been told. */
  async open(): Promise<void> {
    if (this.#close !== undefined) return
    try {
      this.#close = await this.#open()
    } catch (error) {
      if (!(error instanceof DaemonError)) this.#invocation.terminal.err(messageOf(error))
    }
  }

  async close(): Promise<void> {
    await this.#close?.()
  }

  async #open(): Promise<(() => Promise<void>) | undefined> {
    const { paths, env } = this.#invocation
    await ensureHome(paths)
    const redactor = new Redactor()
    const output = openLogOutput({ directory: paths.logDir, env, stderr: process.stderr, redactor })
    const logger = createLogger('info', output.sink).child({ service: 'run' })
    const lock = await takeInstanceLock(paths, { logger, onLost: this.#stop })
    if ('heldBy' in lock) {
      await output.flush()
      return undefined
    }
    const endpoint = new Endpoint({
      ...{ paths, redactor, logger },
      welcome: () => ({ protocol: PROTOCOL.max, version: VERSION, pid: process.pid, catalog: '' }),
      refuseSessions: () => ({ code: 'VALIDATION_ERROR', ...this.#complaint() }),
      onSession: (connection) => connection.close('the daemon waits for its configuration'),
      onControl: (request) => this.#answer(request),
    })
    await endpoint.start()
    logger.error({ ...this.#complaint() }, 'waiting for the configuration to be corrected')
    return async () => {
      await endpoint.stop()
      await lock.release()
      await output.flush()
    }
  }

  async #answer(request: ControlRequest): Promise<unknown> {
    if (request.method === 'status') return this.#report()
    if (request.method === 'ping') return { pid: process.pid }
    if (request.method === 'stop') {
      setImmediate(this.#stop)
      return { pid: process.pid }
    }
    throw this.fault
  }

  #complaint(): { message: string; remedy: string } {
    const { message, remedy } = this.fault
    return {
      message: message.replace(/\s*\n\s*/g, ' '),
      remedy: `${withHome(remedy, this.#invocation.paths)} It is looked at again every ${RECHECK_MS / 1000} s.`,
    }
  }

  #report(): StatusReport {
    const { home, socket } = this.#invocation.paths
    return {
      ...NOTHING_KNOWN,
      state: 'degraded',
      problems: [{ code: this.fault.code, ...this.#complaint() }],
      daemon: {
        version: VERSION,
        pid: process.pid,
        started_at: this.#startedAt.toISOString(),
        uptime_seconds: Math.round(process.uptime()),
        supervisor: 'launchd',
        ...{ home, socket, node: process.version, paused: false },
      },
    }
  }
}

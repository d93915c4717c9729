import type { LoadedConfig } from './config/load-config.ts'
import { DaemonError, messageOf } from './errors.ts'
import { ensureHome } from './ipc/ensure-home.ts'
import { type InstanceLock, takeInstanceLock } from './ipc/instance-lock.ts'
import type { Supervisor } from './lifecycle/supervisor.ts'
import type { Logger } from './logger.ts'
import type { Redactor } from './redact.ts'
import { buildServices, type Services } from './services.ts'
import { VERSION } from './version.ts'

export interface DaemonOptions extends LoadedConfig {
  readonly logger: Logger
  readonly redactor: Redactor
  readonly env: NodeJS.ProcessEnv
  /** The user's own, for what is made in worktrees; ours closes everything to others. */
  readonly umask: number
  readonly supervisor: Supervisor
}

export interface RunningDaemon {
  /** Exit code, once nothing of it runs any more. */
  readonly finished: Promise<number>
  /** Begins the ordered stop; `restart` tells sessions that the next daemon comes. */
  stop(reason: string): void
}

/**
 * Builds every service and starts them in order: instance lock and endpoint first, so that a second daemon
 * fails before it touches anything and `status` can answer `starting`; then database, worktrees, LISTEN, claims,
 * heartbeat (`services.ts`). The database comes up in the background, and claiming begins with it: while it is away
 * the daemon is unhealthy, never dead.
 */
export async function startDaemon(options: DaemonOptions): Promise<RunningDaemon> {
  const { config, logger } = options
  await ensureHome(config.paths)
  let lost: (reason: string) => void = () => undefined
  const lock = await takeInstanceLock(config.paths, {
    logger: logger.child({ service: 'instance' }),
    onLost: (reason) => lost(reason),
  })
  if ('heldBy' in lock) throw alreadyRunning(config.paths.home, lock.heldBy)
  try {
    const daemon = new Daemon(options, lock)
    lost = (reason) => daemon.stop(reason)
    await daemon.start()
    return daemon
  } catch (error) {
    await lock.release()
    throw error
  }
}

function alreadyRunning(home: string, pid: number | null): DaemonError {
  return new DaemonError(
    'CONFLICT',
    `Another daemon${pid === null ? '' : ` (pid ${pid})`} runs for ${home}; this one changed nothing`,
    'Use the running one, or stop it with `scrum4me-daemon stop`; another --home makes a second installation.',
  )
}

class Daemon implements RunningDaemon {
  readonly finished: Promise<number>
  readonly #options: DaemonOptions
  readonly #lock: InstanceLock
  readonly #log: (service: string) => Logger
  #finish: (code: number) => void = () => undefined
  #services: Services | undefined
  #stopping: Promise<void> | undefined

  constructor(options: DaemonOptions, lock: InstanceLock) {
    this.#options = options
    this.#lock = lock
    this.#log = (service) => options.logger.child({ service })
    this.finished = new Promise((resolve) => {
      this.#finish = resolve
    })
  }

  async start(): Promise<void> {
    const services = await buildServices(this.#options, {
      stop: (reason) => this.stop(reason),
      draining: () => this.#stopping !== undefined,
    })
    this.#services = services
    await services.start()
    this.#log('daemon').info({ version: VERSION, pid: process.pid }, 'started')
  }

  stop(reason: string): void {
    this.#stopping ??= this.#stop(reason === 'restart' ? 'restart' : 'stop', reason)
  }

  async #stop(goodbye: 'restart' | 'stop', reason: string): Promise<void> {
    this.#log('daemon').info({ reason }, 'stopping')
    try {
      await this.#services?.stop(goodbye)
    } catch (error) {
      this.#log('daemon').error({ err: messageOf(error) }, 'a service did not stop in order')
    }
    await this.#lock.release()
    this.#log('daemon').info({}, 'stopped')
    this.#finish(0)
  }
}

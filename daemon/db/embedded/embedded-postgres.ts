import { DaemonError } from '../../errors.ts'
import { delay } from '../../lifecycle/delay.ts'
import type { Service } from '../../lifecycle/service.ts'
import type { Logger } from '../../logger.ts'
import type { Paths } from '../../paths.ts'
import { unlessAborted } from '../unless-aborted.ts'
import { type Installation, type InstallOptions, install, tidy } from './installation.ts'
import { probeServer } from './probe-server.ts'
import { rotateLog, ServerProcess } from './server-process.ts'
import { socketUrl } from './socket-url.ts'

export interface EmbeddedPostgresOptions extends InstallOptions {
  readonly logger: Logger
}

const DATABASE = 'scrum4me'
/** Recovery after a crash can take a while; a caller that cannot wait so long asks again. */
const START_WITHIN_MS = 90_000

/** URL of the embedded database of a home, whether its server runs or not. */
export function embeddedUrl(paths: Paths): string {
  return socketUrl(paths.pgSocketDir, DATABASE)
}

/**
 * The PostgreSQL that belongs to this daemon: made once, adopted when it survived us, started when it is
 * not there, also later when it has died (`ensureRunning`), stopped with us. It listens on a Unix socket in
 * a private directory and on nothing else. To be used by the holder of the instance lock only.
 */
export class EmbeddedPostgres implements Service {
  readonly name = 'embedded-postgres'
  readonly url: string
  readonly #options: EmbeddedPostgresOptions
  readonly #logger: Logger
  #installation: Installation | undefined
  #ensuring: Promise<void> | undefined
  #stopping = false

  constructor(options: EmbeddedPostgresOptions) {
    this.#options = options
    this.#logger = options.logger
    this.url = embeddedUrl(options.paths)
  }

  async start(): Promise<void> {
    this.#stopping = false
    await this.ensureRunning()
  }

  /**
   * Resolves when the server answers; starts it if it does not run. One attempt at a time, whoever asks.
   * Cheap when it runs (one connection). Throws DATABASE_UNAVAILABLE, also after `stop`. `signal` ends the
   * caller's waiting (then this resolves early), not the start itself.
   */
  async ensureRunning(signal?: AbortSignal): Promise<void> {
    this.#ensuring ??= this.#ensure().finally(() => {
      this.#ensuring = undefined
    })
    await unlessAborted(this.#ensuring, signal)
  }

  /** Fast shutdown: clients are cut off, everything is on disk. Never leaves the server behind silently. */
  async stop(): Promise<void> {
    this.#stopping = true
    if (this.#ensuring !== undefined) await this.#giveUpStarting(this.#ensuring)
    if (this.#installation === undefined) return
    const server = this.#server(this.#installation)
    if (!(await server.isRunning())) return
    if ((await server.stop('fast')) || (await server.stop('immediate'))) return
    throw unavailable(
      'The embedded database did not stop; its data is safe',
      `Look at ${this.#installation.logFile}.`,
    )
  }

  /** A recovery may take minutes; a server that is told to stop ends it at once, and goes on next time. */
  async #giveUpStarting(ensuring: Promise<void>): Promise<void> {
    const ended = new AbortController()
    const settled = ensuring.catch(() => undefined).finally(() => ended.abort())
    await delay(2_000, ended.signal)
    if (!ended.signal.aborted && this.#installation !== undefined) {
      await this.#server(this.#installation).stop('fast')
    }
    await settled
  }

  async #ensure(): Promise<void> {
    this.#installation ??= await install(this.#options)
    const installation = this.#installation
    const end = performance.now() + START_WITHIN_MS
    for (let first = true; ; first = false) {
      if (this.#stopping)
        throw unavailable('The embedded database is being stopped', 'Start the daemon again.')
      const presence = await probeServer(this.#options.paths.pgSocketDir, installation.cluster, DATABASE)
      if (presence === 'ours') {
        if (first && !installation.created) this.#logger.debug('the embedded database is running')
        return
      }
      if (presence === 'foreign') {
        throw unavailable(
          `Another PostgreSQL listens in ${this.#options.paths.pgSocketDir}`,
          'Stop it, or choose another SCRUM4ME_HOME.',
        )
      }
      if (presence === 'absent') await this.#startServer(installation, end)
      else await delay(200)
      if (performance.now() > end) {
        // Whatever holds it (a debugger, a frozen disk), killing a database is not for us to decide.
        throw unavailable(
          'The embedded database runs but does not answer',
          `Look at ${installation.logFile}.`,
        )
      }
    }
  }

  async #startServer(installation: Installation, end: number): Promise<void> {
    const server = this.#server(installation)
    if (await server.removeStaleLocks()) this.#logger.info('removed lock files of a server that is gone')
    if (await server.isRunning()) {
      // Its socket is gone (somebody cleaned up): without it nobody can talk to this server any more.
      this.#logger.warn('the embedded database runs without its socket; starting it anew')
      await server.stop('fast')
    }
    await tidy(installation)
    await rotateLog(installation.logFile)
    try {
      await server.start()
      this.#logger.info({ created: installation.created }, 'embedded database started')
    } catch (error) {
      // The last processes of a killed server hold its memory for a moment.
      if (performance.now() > end || !isPassing(error)) throw error
      await delay(300)
    }
  }

  #server({ tree, launcher, cluster, socketDir, logFile }: Installation): ServerProcess {
    return new ServerProcess({ tree, launcher, cluster, socketDir, logFile })
  }
}

function isPassing(error: unknown): boolean {
  return (
    error instanceof DaemonError &&
    /shared memory|lock file|Is another (postmaster|postgres)/.test(error.message)
  )
}

function unavailable(message: string, remedy: string): DaemonError {
  return new DaemonError('DATABASE_UNAVAILABLE', message, remedy)
}

import { type LoadedConfig, loadConfig } from '../config/load-config.ts'
import type { DaemonOptions, RunningDaemon } from '../daemon.ts'
import { messageOf, toDaemonError } from '../errors.ts'
import { Supervisor } from '../lifecycle/supervisor.ts'
import { openLogOutput } from '../log-sinks.ts'
import { createLogger, type Logger } from '../logger.ts'
import { Redactor } from '../redact.ts'
import { withHome } from '../wire/daemon-command.ts'
import { EXIT, runExitCodeOf } from './exit.ts'
import type { Invocation } from './invocation.ts'

/** The daemon in the foreground, until a signal, `stop`, or a fault ends it. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal, env, home, paths } = invocation
  // Before anything is created: files, sockets and directories of ours are for us alone.
  const umask = process.umask(0o077)
  const supervisor = new Supervisor(env)
  const redactor = new Redactor()
  const fail = async (thrown: unknown): Promise<number> => {
    const error = toDaemonError(thrown)
    terminal.err(withHome(redactor.clean(error.text), paths))
    // An error that only the file system had words for may pass: the supervisor tries again.
    const code = thrown === error ? runExitCodeOf(error) : EXIT.failed
    // launchd knows no exit code that it would not restart after.
    if (code !== EXIT.config || supervisor.kind !== 'launchd') return code
    return (await import('./wait-until-mended.ts')).waitUntilMended(invocation, error)
  }
  let loaded: LoadedConfig
  try {
    loaded = await loadConfig({ env, home, redactor })
  } catch (error) {
    return fail(error)
  }
  const output = openLogOutput({ directory: paths.logDir, env, stderr: process.stderr, redactor })
  const logger = createLogger(loaded.config.logLevel, output.sink)
  for (const { name } of loaded.settings.filter((setting) => setting.unknown)) {
    logger.warn(
      { service: 'run', name, file: paths.envFile },
      'daemon.env sets a name that is not known; ignored',
    )
  }
  try {
    return await serve({ ...loaded, logger, redactor, env, umask, supervisor })
  } catch (error) {
    return await fail(error)
  } finally {
    await output.flush()
  }
}

async function serve(options: DaemonOptions): Promise<number> {
  const { startDaemon } = await import('../daemon.ts')
  const signals = new Signals(options.logger)
  try {
    const daemon = await startDaemon(options)
    signals.serve(daemon)
    return await Promise.race([daemon.finished, signals.forced])
  } finally {
    signals.close()
  }
}

/** First signal: ordered stop. Second, or an error nobody caught: the end, at once. */
class Signals {
  readonly forced: Promise<number>
  readonly #logger: Logger
  readonly #listeners: [string, (value: unknown) => void][]
  #daemon: RunningDaemon | undefined
  #pending: string | undefined
  #force: (code: number) => void = () => undefined

  constructor(logger: Logger) {
    this.#logger = logger.child({ service: 'run' })
    this.forced = new Promise((resolve) => {
      this.#force = resolve
    })
    const onSignal = (signal: unknown) => this.#signal(String(signal))
    const onError = (error: unknown) => this.#crash(error)
    this.#listeners = [
      ['SIGTERM', onSignal],
      ['SIGINT', onSignal],
      ['SIGHUP', onSignal],
      ['uncaughtException', onError],
      ['unhandledRejection', onError],
    ]
    for (const [event, listener] of this.#listeners) process.on(event, listener)
  }

  serve(daemon: RunningDaemon): void {
    this.#daemon = daemon
    if (this.#pending !== undefined) daemon.stop(this.#pending)
  }

  close(): void {
    for (const [event, listener] of this.#listeners) process.off(event, listener)
  }

  #signal(name: string): void {
    if (this.#pending !== undefined) {
      this.#logger.warn({ signal: name }, 'second signal: ending at once')
      this.#force(EXIT.failed)
      return
    }
    this.#pending = name
    this.#daemon?.stop(name)
  }

  #crash(error: unknown): void {
    const stack = error instanceof Error ? error.stack : undefined
    this.#logger.fatal({ error: messageOf(error), stack }, 'an error that nobody caught; ending')
    this.#force(EXIT.failed)
  }
}

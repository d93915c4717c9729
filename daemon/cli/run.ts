import { type LoadedConfig, loadConfig } from '../config/load-config.ts'
import type { DaemonOptions, RunningDaemon } from '../daemon.ts'
import { type DaemonError, messageOf, toDaemonError } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import { Supervisor } from '../lifecycle/supervisor.ts'
import { openLogOutput } from '../log-sinks.ts'
import { createLogger, type Logger } from '../logger.ts'
import { Redactor } from '../redact.ts'
import { EXIT, runExitCodeOf } from './exit.ts'
import type { Invocation } from './invocation.ts'

/** How often a daemon that launchd would only restart looks whether its configuration was mended, ms. */
const RECHECK_MS = 15_000

/** The daemon in the foreground, until a signal, `stop`, or a fault ends it. */
export async function run(invocation: Invocation): Promise<number> {
  const { terminal, env, home, paths } = invocation
  // Before anything is created: files, sockets and directories of ours are for us alone.
  process.umask(0o077)
  const supervisor = new Supervisor(env)
  const redactor = new Redactor()
  const fail = (error: DaemonError): number => {
    terminal.err(redactor.clean(error.text))
    return runExitCodeOf(error)
  }
  let loaded: LoadedConfig
  try {
    loaded = await loadConfig({ env, home, redactor })
  } catch (error) {
    const code = fail(toDaemonError(error))
    return code === EXIT.config && supervisor.kind === 'launchd' ? waitUntilMended(invocation) : code
  }
  const output = openLogOutput({ directory: paths.logDir, env, stderr: process.stderr, redactor })
  const logger = createLogger(loaded.config.logLevel, output.sink)
  try {
    return await serve({ ...loaded, logger, redactor, env, supervisor })
  } catch (error) {
    return fail(toDaemonError(error))
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

/** launchd restarts whatever ends, so a daemon with a wrong configuration stays, says so, and looks again. */
async function waitUntilMended({ terminal, env, home }: Invocation): Promise<number> {
  const ended = new AbortController()
  const end = () => ended.abort()
  process.once('SIGTERM', end).once('SIGINT', end)
  terminal.err('Waiting for the configuration to be corrected, because launchd would only start this again.')
  while (!ended.signal.aborted) {
    await delay(RECHECK_MS, ended.signal)
    const isMended = await loadConfig({ env, home, redactor: new Redactor() }).then(
      () => true,
      () => false,
    )
    // launchd starts it afresh, with everything in order from the beginning.
    if (isMended) return EXIT.ok
  }
  return EXIT.ok
}

// Until daemon/daemon.ts is merged; then it is imported directly.
import type { LoadedConfig } from '../config/load-config.ts'
import type { Logger } from '../logger.ts'
import type { Redactor } from '../redact.ts'

export interface DaemonOptions extends LoadedConfig {
  readonly logger: Logger
  readonly redactor: Redactor
  readonly env: NodeJS.ProcessEnv
}

export interface RunningDaemon {
  /** Exit code, once nothing of it runs any more. */
  readonly finished: Promise<number>
  /** Begins the ordered stop. */
  stop(reason: string): void
}

export async function loadDaemon(): Promise<(options: DaemonOptions) => Promise<RunningDaemon>> {
  const file = import.meta.url.endsWith('.ts') ? '../daemon.ts' : '../daemon.js'
  return (await import(new URL(file, import.meta.url).href)).startDaemon
}

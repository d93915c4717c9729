// Until daemon/ipc, daemon/wire/read-process.ts and daemon/daemon.ts are merged; then each is imported directly.
import type { LoadedConfig } from '../config/load-config.ts'
import type { Logger } from '../logger.ts'
import type { Redactor } from '../redact.ts'

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js'
const load = (path: string) => import(new URL(`../${path}.${extension}`, import.meta.url).href)

export async function control(
  socket: string,
  method: string,
  params: unknown,
  options: { timeoutMs: number },
): Promise<unknown> {
  return (await load('ipc/control-client')).control(socket, method, params, options)
}

export async function readProcess(pid: number): Promise<{ startedAt: string } | null> {
  return (await load('wire/read-process')).readProcess(pid)
}

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
  return (await load('daemon')).startDaemon
}

import { open, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import { delay } from '../../lifecycle/delay.ts'
import { lastLine } from './cluster.ts'
import type { Launcher } from './launcher.ts'
import { isServerOf, readPid, removeStaleLocks } from './lock-files.ts'
import { type CommandResult, runCommand } from './run-command.ts'

export interface ServerProcessOptions {
  readonly tree: string
  readonly launcher: Launcher
  readonly cluster: string
  readonly socketDir: string
  readonly logFile: string
  /** Further `-c name=value` settings. */
  readonly settings?: Readonly<Record<string, string>>
}

const START_SECONDS = 60
const STOP_SECONDS = 15

/** One PostgreSQL server on one data directory, driven by `pg_ctl`. Knows no SQL. */
export class ServerProcess {
  readonly #options: ServerProcessOptions

  constructor(options: ServerProcessOptions) {
    this.#options = options
  }

  /** What `pg_ctl` believes: it looks at the pid in postmaster.pid only. */
  async isRunning(): Promise<boolean> {
    return (await this.#control(['status'], 10_000)).code === 0
  }

  /** Starts it and waits until it accepts connections; throws with the server's reason otherwise. */
  async start(): Promise<void> {
    const { cluster, socketDir, logFile } = this.#options
    const settings = {
      listen_addresses: '',
      // A list: quotes keep a comma or a space in the path from splitting it.
      unix_socket_directories: `"${socketDir.replaceAll('"', '""')}"`,
      unix_socket_permissions: '0700',
      shared_buffers: '16MB',
      // Fewer processes: nobody replicates from here, and a few thousand rows need no helpers.
      wal_level: 'minimal',
      max_wal_senders: '0',
      max_logical_replication_workers: '0',
      io_method: 'sync',
      max_parallel_workers_per_gather: '0',
      jit: 'off',
      // logind removes POSIX shared memory of a user who logs out.
      dynamic_shared_memory_type: 'mmap',
      timezone: 'UTC',
      log_timezone: 'UTC',
      // An ERROR reaches the client that caused it; the server's log is for what happens to the server.
      log_min_messages: 'log',
      log_checkpoints: 'off',
      autovacuum_max_workers: '1',
      max_wal_size: '256MB',
      ...this.#options.settings,
    }
    const flags = Object.entries(settings).map(([name, value]) => `-c ${name}=${quote(value)}`)
    const seconds = String(START_SECONDS)
    const before = await sizeOf(logFile)
    const result = await this.#control(
      ['start', '-w', '-s', '-t', seconds, '-l', logFile, '-o', flags.join(' ')],
      (START_SECONDS + 5) * 1000,
    )
    if (result.code === 0) return
    const words = whyItFailed(await readFrom(logFile, before).catch(() => '')) || lastLine(result.output)
    throw new DaemonError(
      'DATABASE_UNAVAILABLE',
      `The embedded database did not start: ${words}`,
      `Read ${logFile}; the data in ${cluster} was left as it is.`,
    )
  }

  /** `fast`: clients are disconnected, everything is on disk. True when it no longer runs. */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<boolean> {
    const { cluster } = this.#options
    const pid = await readPid(join(cluster, 'postmaster.pid'))
    const flags = ['stop', '-w', '-s', '-m', mode, '-t', String(STOP_SECONDS)]
    const result = await this.#control(flags, (STOP_SECONDS + 5) * 1000)
    if (result.code !== 0 && (await this.isRunning())) return false
    // pg_ctl waits for the pid file to go, which is a moment before the process does.
    for (let tries = 0; pid !== undefined && tries < 100 && (await isServerOf(pid, cluster)); tries += 1) {
      await delay(20)
    }
    return true
  }

  /**
   * Removes lock files of a server that is gone, which would keep it from starting for ever. To be called under the
   * instance lock, and only after a connection was tried. True if something was removed.
   */
  removeStaleLocks(): Promise<boolean> {
    const { cluster, socketDir } = this.#options
    return removeStaleLocks([join(cluster, 'postmaster.pid'), join(socketDir, '.s.PGSQL.5432.lock')], cluster)
  }

  #control(args: readonly string[], timeoutMs: number): Promise<CommandResult> {
    const { tree, launcher, cluster } = this.#options
    return runCommand(launcher.command(join(tree, 'bin', 'pg_ctl'), ['-D', cluster, ...args]), timeoutMs)
  }
}

/** For the shell that `pg_ctl` starts the server with. */
function quote(value: string): string {
  return `'${value.replaceAll("'", `'\\''`)}'`
}

/** Keeps one older log when it has grown; the server writes little, but it may run for years. */
export async function rotateLog(logFile: string, maxBytes = 4 * 1024 * 1024): Promise<void> {
  if ((await sizeOf(logFile)) > maxBytes) await rename(logFile, `${logFile}.1`)
}

async function sizeOf(file: string): Promise<number> {
  return stat(file).then(
    (found) => found.size,
    () => 0,
  )
}

/** What was written from byte `position` on, at most the first 64 KiB of it. */
async function readFrom(file: string, position: number): Promise<string> {
  const handle = await open(file)
  try {
    const { buffer, bytesRead } = await handle.read({ buffer: Buffer.alloc(65_536), position })
    return buffer.toString('utf8', 0, bytesRead)
  } finally {
    await handle.close()
  }
}

/** Of what a server logged in one failed start: the error that ended it, with its hint; else its last line. */
export function whyItFailed(log: string): string {
  // A client that is too early is told so with a FATAL of its own.
  const lines = log
    .trim()
    .split('\n')
    .filter((line) => !/FATAL: +the database system is /.test(line))
  const last = (level: RegExp) => lines.findLast((line) => level.test(line))?.replace(/^.*?(?=[A-Z]+: )/, '')
  const fault = last(/ (FATAL|PANIC): /)
  if (fault === undefined) return lines.at(-1) ?? ''
  const hint = last(/ HINT: /)
  return hint === undefined ? fault : `${fault} (${hint})`
}

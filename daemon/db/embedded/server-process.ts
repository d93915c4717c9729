import { readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import { delay } from '../../lifecycle/delay.ts'
import { lastLine } from './cluster.ts'
import type { Launcher } from './launcher.ts'
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

  /** Starts it and waits until it accepts connections; throws with the server's last words otherwise. */
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
    const result = await this.#control(
      ['start', '-w', '-s', '-t', seconds, '-l', logFile, '-o', flags.join(' ')],
      (START_SECONDS + 5) * 1000,
    )
    if (result.code === 0) return
    const words =
      lastLine(await readFile(logFile, 'utf8').catch(() => result.output)) || lastLine(result.output)
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
   * A pid in postmaster.pid that has since gone to another process of our user, or to a zombie, makes the
   * server look alive and keeps it from starting for ever. The socket's lock file has the same trap. Both
   * are removed if no process of that pid works in the data directory. To be called under the instance
   * lock, and only after a connection was tried. True if something was removed.
   */
  async removeStaleLocks(): Promise<boolean> {
    const pidFile = join(this.#options.cluster, 'postmaster.pid')
    const pid = await readPid(pidFile)
    const socketLock = join(this.#options.socketDir, '.s.PGSQL.5432.lock')
    const socketPid = await readPid(socketLock)
    let removed = false
    for (const [file, owner] of [[pidFile, pid] as const, [socketLock, socketPid] as const]) {
      if (owner === undefined || (await isServerOf(owner, this.#options.cluster))) continue
      await rm(file, { force: true })
      removed = true
    }
    return removed
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

export async function readPid(file: string): Promise<number | undefined> {
  const text = await readFile(file, 'utf8').catch(() => '')
  const pid = Number.parseInt(text.split('\n')[0] ?? '', 10)
  // The socket's lock file names a pid too, negative for a stand-alone backend.
  return Number.isInteger(pid) && pid !== 0 ? Math.abs(pid) : undefined
}

/** Whether process `pid` is a live server that works in `cluster`. */
export async function isServerOf(pid: number, cluster: string): Promise<boolean> {
  const directory = await realpath(cluster)
  if (process.platform === 'linux') {
    // A zombie has no working directory any more.
    return readlink(`/proc/${pid}/cwd`).then(
      (cwd) => cwd === directory,
      () => false,
    )
  }
  const listed = await runCommand({ file: 'ps', args: ['-o', 'stat=,command=', '-p', String(pid)] }, 5_000)
  return listed.code === 0 && !listed.output.startsWith('Z') && listed.output.includes('postgres')
}

/** Keeps one older log when it has grown; the server writes little, but it may run for years. */
export async function rotateLog(logFile: string, maxBytes = 4 * 1024 * 1024): Promise<void> {
  const size = await stat(logFile).then(
    (found) => found.size,
    () => 0,
  )
  if (size > maxBytes) await rename(logFile, `${logFile}.1`)
}

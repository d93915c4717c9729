import { type ChildProcess, spawn } from 'node:child_process'
import { chown, mkdir, mkdtemp, readFile, realpath } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findBinaries } from '../../daemon/db/embedded/binaries.ts'
import { ensureCluster } from '../../daemon/db/embedded/cluster.ts'
import { chooseLauncher, type Launcher } from '../../daemon/db/embedded/launcher.ts'
import { ensurePrivateDirectory } from '../../daemon/db/embedded/private-directory.ts'
import { ServerProcess } from '../../daemon/db/embedded/server-process.ts'
import { socketUrl } from '../../daemon/db/embedded/socket-url.ts'
import { ensureTree } from '../../daemon/db/embedded/tree.ts'
import { codeOf } from '../../daemon/errors.ts'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { standingProcesses } from '../../daemon/lifecycle/standing-processes.ts'

export interface TestServer {
  /** Directory of the Unix socket. */
  readonly socketDir: string
  /** URL of one of its databases. */
  url(database: string): string
  /** Process id of the postmaster, as long as it runs. */
  pid(): Promise<number>
  start(): Promise<void>
  /** Stops it, data kept. */
  stop(mode?: 'fast' | 'immediate'): Promise<void>
  /** Ends all of it as a power failure would: nothing is served any more. */
  kill(): Promise<void>
  /** Stops it and removes everything; idempotent. */
  remove(): Promise<void>
}

/**
 * A real, empty PostgreSQL in a temporary directory of its own. Whatever becomes of this process, the
 * server and its files go: a small shell waits for our end of a pipe to close, then clears up.
 * `settings` win over those for tests, which trade safety at a power cut for speed.
 */
export async function makeTestServer(
  options: { readonly settings?: Readonly<Record<string, string>> } = {},
): Promise<TestServer> {
  // Short: a Unix socket's path has little room.
  const directory = await mkdtemp(join(process.platform === 'darwin' ? '/tmp' : tmpdir(), 's4m-pg-'))
  const cluster = join(directory, 'cluster')
  const socketDir = join(directory, 's')
  const treeFor = () => ensureTree(findBinaries(), directory)
  const { launcher, tree } = await chooseLauncher({ treeFor, without: ['user'] })
  await ensurePrivateDirectory(socketDir)
  const watchdog = startWatchdog(directory, launcher, tree, cluster)
  try {
    const scratch = join(directory, 'scratch')
    const makeScratch = async () => {
      await mkdir(scratch, { mode: 0o700 })
      if (process.getuid?.() === 0) await chownTo(launcher, scratch)
      return scratch
    }
    if (process.getuid?.() === 0) await chownTo(launcher, socketDir)
    await ensureCluster({ tree, launcher, cluster, makeScratch, sync: false })
  } catch (error) {
    await endWatchdog(watchdog)
    throw error
  }
  const settings = {
    fsync: 'off',
    full_page_writes: 'off',
    // Tests kill this server: what it has committed must survive the process, as it does in production.
    synchronous_commit: 'on',
    max_connections: '200',
  }
  const server = new ServerProcess({
    ...{ tree, launcher, cluster, socketDir, logFile: join(directory, 'log') },
    settings: { ...settings, shared_buffers: '64MB', max_wal_size: '1GB', ...options.settings },
  })
  const pid = async () => Number.parseInt(await readFile(join(cluster, 'postmaster.pid'), 'utf8'), 10)
  return {
    socketDir,
    url: (database) => socketUrl(socketDir, database),
    pid,
    start: () => startAgain(server),
    stop: async (mode) => void (await server.stop(mode)),
    kill: async () => killAll(await pid(), cluster),
    remove: () => endWatchdog(watchdog),
  }
}

async function chownTo(launcher: Launcher, path: string): Promise<void> {
  await chown(path, launcher.uid, launcher.gid)
}

function startWatchdog(directory: string, launcher: Launcher, tree: string, cluster: string): ChildProcess {
  const stop = launcher.command(join(tree, 'bin', 'pg_ctl'), [
    ...['-D', cluster, '-s', '-w', '-t', '20', '-m', 'immediate', 'stop'],
  ])
  const script = 'cd /; cat >/dev/null; "$@" >/dev/null 2>&1; rm -rf "$0"'
  const child = spawn('sh', ['-c', script, directory, stop.file, ...stop.args], {
    // Its own process group: ^C in the terminal must not end it before it has cleared up.
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
    env: { PATH: process.env.PATH ?? '/usr/bin:/bin', LC_ALL: 'C' },
  })
  child.unref()
  return child
}

async function endWatchdog(watchdog: ChildProcess): Promise<void> {
  if (watchdog.exitCode !== null || watchdog.signalCode !== null) return
  const ended = new Promise((resolve) => watchdog.once('exit', resolve))
  watchdog.ref()
  watchdog.stdin?.end()
  await ended
}

/** The postmaster first, or it would start anew. What it has forked would serve its connections until it notices. */
async function killAll(postmaster: number, cluster: string): Promise<void> {
  process.kill(postmaster, 'SIGKILL')
  const directory = await realpath(cluster)
  for (const { pid } of await standingProcesses((cwd) => cwd === directory)) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch (error) {
      if (codeOf(error) !== 'ESRCH') throw error
    }
  }
}

/** After a kill the old server's zombie and its last children stay for a moment. */
async function startAgain(server: ServerProcess): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    await server.removeStaleLocks()
    try {
      return await server.start()
    } catch (error) {
      if (attempt === 20) throw error
      await delay(100)
    }
  }
}

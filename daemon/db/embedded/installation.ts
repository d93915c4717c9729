import { createHash } from 'node:crypto'
import { chown, lstat, mkdir, mkdtemp, readdir, readlink, rm, stat, symlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { codeOf, DaemonError, unlessMissing } from '../../errors.ts'
import type { Paths } from '../../paths.ts'
import { findBinaries, noEmbedded } from './binaries.ts'
import { ensureCluster } from './cluster.ts'
import { chooseLauncher, type Launcher, type LauncherKind } from './launcher.ts'
import { ensurePrivateDirectory } from './private-directory.ts'
import { runCommand } from './run-command.ts'
import { ensureTree } from './tree.ts'

/** Everything on disk that a server needs to be started. */
export interface Installation {
  readonly tree: string
  readonly launcher: Launcher
  /** The data directory, of the launcher's user. */
  readonly cluster: string
  readonly logFile: string
  /** Where the socket really is; `paths.pgSocketDir` leads there. */
  readonly socketDir: string
  /** True if the cluster did not exist before. */
  readonly created: boolean
}

export interface InstallOptions {
  readonly paths: Paths
  /** For tests; default: the package of this platform. */
  readonly binaries?: string
  readonly without?: readonly LauncherKind[]
  /** For tests: false leaves the new cluster to the kernel to write. */
  readonly sync?: boolean
}

/** Makes programs, directories and cluster ready; does nothing where they are. Starts nothing. */
export async function install(options: InstallOptions): Promise<Installation> {
  const { paths } = options
  refuseAwkward(paths)
  for (const directory of [paths.dataDir, paths.logDir, dirname(paths.pgSocketDir)]) {
    await ensurePrivateDirectory(directory)
  }
  const native = options.binaries ?? findBinaries()
  const owner = await stat(clusterOf(paths.dataDir)).then(
    (found) => found.uid,
    () => undefined,
  )
  const { launcher, tree } = await chooseLauncher({
    treeFor: async (kind) => {
      if (kind === 'user') await refuseSecondCluster(clusterOf(paths.dataDir))
      return ensureTree(native, await baseFor(kind, paths))
    },
    owner,
    without: options.without ?? [],
  })
  const base = await baseFor(launcher.kind, paths)
  const cluster = clusterOf(base)
  if (launcher.kind === 'user') await expose(paths, base, launcher)
  else await ensurePrivateDirectory(paths.pgSocketDir)
  const makeScratch = async () => {
    // Now, not after success: a start that is killed each time must not fill the disk.
    await removeWhere(base, (name) => name.startsWith('initdb-'))
    const scratch = await mkdtemp(join(base, 'initdb-'))
    await chown(scratch, launcher.uid, launcher.gid)
    return scratch
  }
  const made = await ensureCluster({ tree, launcher, cluster, makeScratch, sync: options.sync ?? true })
  const created = made === 'created'
  if (launcher.kind !== 'user') {
    const logFile = join(paths.logDir, 'postgres.log')
    return { tree, launcher, cluster, logFile, socketDir: paths.pgSocketDir, created }
  }
  const logFile = join(base, 'postgres.log')
  return { tree, launcher, cluster, logFile, socketDir: exposedSocketDir(base), created }
}

/**
 * Before a start, while nothing runs: gives the cluster to the launcher's user if another way of running it
 * was used last time, and removes the programs of older versions and what a killed `initdb` left.
 */
export async function tidy({ tree, launcher, cluster }: Installation): Promise<void> {
  if (process.getuid?.() === 0 && (await stat(cluster)).uid !== launcher.uid) {
    const owner = `${launcher.uid}:${launcher.gid}`
    await runCommand({ file: 'chown', args: ['-R', '-h', owner, cluster] }, 60_000)
  }
  const base = dirname(tree)
  await removeWhere(base, (name) => /^(postgres-[0-9a-f]|initdb-)/.test(name) && join(base, name) !== tree)
}

async function removeWhere(directory: string, isLeftover: (name: string) => boolean): Promise<void> {
  for (const name of (await readdir(directory)).filter(isLeftover)) {
    await rm(join(directory, name), { recursive: true, force: true })
  }
}

export function clusterOf(base: string): string {
  return join(base, 'cluster')
}

/** The last rung cannot enter a 0700 home of root; its files lie beside, and the home links to them. */
async function baseFor(kind: LauncherKind, paths: Paths): Promise<string> {
  if (kind !== 'user') return paths.dataDir
  const base = exposedBase(paths.home)
  await mkdir(base, { recursive: true, mode: 0o711 })
  return base
}

/** Where a home's cluster lies when the server cannot enter the home. */
export function exposedBase(home: string): string {
  const name = createHash('sha256').update(home).digest('hex').slice(0, 16)
  return join('/var/lib', `scrum4me-${name}`)
}

function exposedSocketDir(base: string): string {
  return join(base, 'run')
}

/** A rung that failed this once must not hide the data of the last start behind an empty database. */
async function refuseSecondCluster(inHome: string): Promise<void> {
  const found = await lstat(inHome).catch(unlessMissing(undefined))
  if (found?.isDirectory() !== true) return
  throw noEmbedded(
    `The embedded database in ${inHome} cannot be run now: neither \`unshare --user\` nor \`setpriv\` works for root here. Its data was left as it is`,
    'Run `unshare --user true` to see why, then start the daemon again; or set DATABASE_URL to a PostgreSQL 13 or newer.',
  )
}

async function expose(paths: Paths, base: string, launcher: Launcher): Promise<void> {
  const socketDir = exposedSocketDir(base)
  // The server writes its log here, and nothing else outside its own directories.
  await chown(base, launcher.uid, launcher.gid)
  await mkdir(socketDir, { recursive: true, mode: 0o700 })
  await chown(socketDir, launcher.uid, launcher.gid)
  await ensurePrivateDirectory(socketDir, launcher.uid)
  await linkTo(socketDir, paths.pgSocketDir)
  if ((await lstat(clusterOf(paths.dataDir)).catch(() => undefined)) === undefined) {
    await linkTo(clusterOf(base), clusterOf(paths.dataDir))
  }
}

async function linkTo(target: string, at: string): Promise<void> {
  if ((await readlink(at).catch(() => undefined)) === target) return
  await rm(at, { recursive: true, force: true })
  await symlink(target, at).catch((error) => {
    if (codeOf(error) !== 'EEXIST') throw error
  })
}

/** `pg_ctl` starts the server through a shell and puts paths between double quotes. */
function refuseAwkward(paths: Paths): void {
  for (const path of [paths.dataDir, paths.logDir, paths.pgSocketDir]) {
    if (!/["$`\\\n]/.test(path)) continue
    throw new DaemonError(
      'VALIDATION_ERROR',
      `The embedded PostgreSQL cannot live in ${path}: its path has a quote, $, backquote, backslash or line break`,
      'Choose another SCRUM4ME_HOME, or set DATABASE_URL.',
    )
  }
}

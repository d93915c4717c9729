import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf, DaemonError } from '../../errors.ts'
import { POSTGRES_MAJOR } from './binaries.ts'
import type { Launcher } from './launcher.ts'
import { runCommand } from './run-command.ts'

/** The superuser and owner of the embedded cluster; only its socket's directory lets anybody in. */
export const EMBEDDED_USER = 'scrum4me'

export interface ClusterOptions {
  readonly tree: string
  readonly launcher: Launcher
  /** The data directory, which need not exist. */
  readonly cluster: string
  /** An empty directory of the launcher's user, for a cluster in the making. */
  readonly makeScratch: () => Promise<string>
  /** Flush the new cluster to disk; off for throwaway servers of tests only. */
  readonly sync?: boolean
}

/**
 * Creates the cluster unless it is there. An `initdb` that was killed leaves a directory that looks
 * finished and can never be repaired, so it works elsewhere and the result is renamed into place.
 * Refuses a cluster of another major version.
 */
export async function ensureCluster(options: ClusterOptions): Promise<'created' | 'existing'> {
  const { cluster } = options
  const version = await clusterVersion(cluster)
  if (version !== undefined) {
    if (version !== String(POSTGRES_MAJOR)) throw wrongMajor(cluster, version)
    return 'existing'
  }
  const scratch = await options.makeScratch()
  const result = await runCommand(
    options.launcher.command(join(options.tree, 'bin', 'initdb'), [
      ...['-D', scratch, '-U', EMBEDDED_USER, '-A', 'trust', '-E', 'UTF8', '--no-instructions'],
      // Unicode rules of PostgreSQL's own, so that no update of the system's libc changes an index.
      ...['--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'],
      ...(options.sync === false ? ['--no-sync'] : []),
    ]),
    120_000,
  )
  if (result.code !== 0) {
    await rm(scratch, { recursive: true, force: true })
    throw new DaemonError(
      'DATABASE_UNAVAILABLE',
      `The embedded database could not be created: ${result.failedToStart ?? lastLine(result.output)}`,
      `Check free space and permissions of ${cluster}, then start the daemon again.`,
    )
  }
  await rename(scratch, cluster)
  return 'created'
}

/** Major version of the cluster at `path`; undefined when there is none. */
export async function clusterVersion(path: string): Promise<string | undefined> {
  try {
    return (await readFile(join(path, 'PG_VERSION'), 'utf8')).trim()
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

function wrongMajor(cluster: string, version: string): DaemonError {
  return new DaemonError(
    'DATABASE_UNAVAILABLE',
    `${cluster} belongs to PostgreSQL ${version}; this version of the daemon runs PostgreSQL ${POSTGRES_MAJOR}. Nothing was changed`,
    'Dump it with the version of scrum4me-daemon that made it (`scrum4me-daemon db dump`), move the directory away, start this version and load the dump.',
  )
}

export function lastLine(output: string): string {
  return output.trim().split('\n').at(-1) ?? ''
}

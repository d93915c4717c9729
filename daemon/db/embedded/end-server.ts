import { join } from 'node:path'
import { DaemonError } from '../../errors.ts'
import { delay } from '../../lifecycle/delay.ts'
import { takeKernelLock } from '../../lock/kernel-lock.ts'
import type { Paths } from '../../paths.ts'
import { clusterOf, exposedBase } from './installation.ts'
import { isServerOf, readPid } from './lock-files.ts'

/** `fast` first, then `immediate`: each gets this long, ms. */
const STOP_MS = 15_000

/**
 * Ends the embedded server that a killed daemon has left; answers its pid, null when there is none, or when a daemon
 * holds the home, to which it belongs by now. Throws when it does not end.
 */
export async function endLeftServer(
  paths: Pick<Paths, 'home' | 'dataDir' | 'runDir'>,
): Promise<number | null> {
  for (const cluster of clustersOf(paths)) {
    if ((await serverOf(cluster)) === null) continue
    // The next daemon would take the server over as it is; so none may begin meanwhile.
    const lock = await takeKernelLock(join(paths.runDir, 'daemon.lock'))
    if (lock === null) return null
    try {
      return await endServer(cluster)
    } finally {
      await lock.release()
    }
  }
  return null
}

/** Where the cluster of a home is, or is when root's home is closed to the server. */
export function clustersOf({ home, dataDir }: Pick<Paths, 'home' | 'dataDir'>): string[] {
  return [clusterOf(dataDir), clusterOf(exposedBase(home))]
}

/** Ends the server on a cluster; answers its pid, null when none runs. */
export async function endServer(cluster: string): Promise<number | null> {
  const pid = await serverOf(cluster)
  if (pid === null) return null
  for (const signal of ['SIGINT', 'SIGQUIT'] as const) {
    process.kill(pid, signal)
    const end = performance.now() + STOP_MS
    while (performance.now() < end) {
      if (!(await isServerOf(pid, cluster))) return pid
      await delay(50)
    }
  }
  throw new DaemonError(
    'DATABASE_UNAVAILABLE',
    `The embedded database (pid ${pid}) does not end; its data in ${cluster} was left`,
    'Look at that process, then run the command again.',
  )
}

async function serverOf(cluster: string): Promise<number | null> {
  const pid = await readPid(join(cluster, 'postmaster.pid'))
  return pid !== undefined && (await isServerOf(pid, cluster)) ? pid : null
}

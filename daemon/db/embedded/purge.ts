import { chmod, chown, lstat, readdir, readlink, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Paths } from '../../paths.ts'
import { clustersOf, endServer } from './end-server.ts'
import { clusterOf, exposedBase } from './installation.ts'

/** What was removed, and what was left with the reason. */
export interface Purged {
  readonly removed: readonly string[]
  readonly left: readonly string[]
}

/**
 * Removes the embedded database of a home whose daemon is gone: the cluster, the programs, and what lies
 * outside the home because root's home is closed to the server. Ends a server that outlived its daemon. Of a
 * link that a person made only the link goes: what it leads to was not made here.
 */
export async function purgeEmbedded(paths: Paths): Promise<Purged> {
  const { dataDir } = paths
  const base = exposedBase(paths.home)
  for (const cluster of clustersOf(paths)) await endServer(cluster)
  const removed: string[] = []
  const left: string[] = []
  const target = await readlink(clusterOf(dataDir)).catch(() => undefined)
  if (target !== undefined && target !== clusterOf(base)) {
    left.push(`${target}, to which ${clusterOf(dataDir)} led: the daemon did not make it`)
  }
  for (const name of await readdir(dataDir).catch(() => [])) {
    if (/^(cluster$|postgres-[0-9a-f]|initdb-)/.test(name)) await remove(join(dataDir, name))
  }
  if (await isDirectory(dataDir)) {
    const others = await readdir(dataDir)
    if (others.length === 0) {
      await rmdir(dataDir)
      removed.push(dataDir)
    } else left.push(`${dataDir}, because of ${others.join(', ')}: the daemon did not make that`)
  }
  // Only root makes it, in a directory that is only root's to write.
  if (process.getuid?.() === 0 && (await isDirectory(base))) {
    // Its owner is the server's user: nobody may change anything in there while it is removed.
    await chown(base, 0, 0)
    await chmod(base, 0o700)
    await remove(base)
    removed.push(base)
  }
  return { removed, left }
}

async function isDirectory(path: string): Promise<boolean> {
  return lstat(path).then(
    (found) => found.isDirectory(),
    () => false,
  )
}

/** A link is removed, never followed. */
function remove(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true })
}

import { lstat, readdir, readFile, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { type Purged, purgeEmbedded } from '../db/embedded/purge.ts'
import { DaemonError } from '../errors.ts'
import { type Paths, resolvePaths } from '../paths.ts'

/**
 * Throws unless the home is one of this daemon's, or is not there: a mistyped --home must not cost anybody a
 * directory. Also a link to a home is one; what it leads to is emptied and stays.
 */
export async function checkIsHome({ home, stateDir, isDefaultHome }: Paths): Promise<void> {
  const found = await stat(home).catch(() => undefined)
  if (found === undefined) return
  const isOurs = found.uid === process.getuid?.()
  const marked = await readFile(join(stateDir, 'instance.json'), 'utf8').then(
    () => true,
    () => false,
  )
  if (isOurs && (marked || isDefaultHome)) return
  throw new DaemonError(
    'VALIDATION_ERROR',
    `${home} does not look like a home of this daemon; nothing was removed`,
    'Remove it by hand if it is what you mean.',
  )
}

/**
 * Removes what the daemon made in and for a home, and nothing else: its files and directories by name, never
 * what a link leads to, and the home itself once it is empty. The daemon must be gone.
 */
export async function purge(paths: Paths): Promise<Purged> {
  const database = await purgeEmbedded(paths)
  const removed = [...database.removed]
  const left = [...database.left]
  for (const path of [paths.envFile, paths.runDir, paths.stateDir, paths.logDir]) {
    if ((await lstat(path).catch(() => undefined)) === undefined) continue
    await rm(path, { recursive: true, force: true })
    removed.push(path)
  }
  // Named after this home, so ours alone; where SCRUM4ME_SOCKET puts a socket is a person's directory.
  const own = resolvePaths({}, { home: paths.home })
  for (const directory of new Set([dirname(own.socket), dirname(own.pgSocketDir)])) {
    if (await removeShort(directory)) removed.push(directory)
  }
  const home = await lstat(paths.home).catch(() => undefined)
  if (home?.isSymbolicLink())
    left.push(`${paths.home}, a link to an emptied directory: the daemon did not make it`)
  else if (home !== undefined) {
    const others = await readdir(paths.home)
    if (others.length === 0) {
      await rmdir(paths.home)
      removed.push(paths.home)
    } else left.push(`${paths.home}, because of ${others.join(', ')}: the daemon did not make that`)
  }
  return { removed: inside(removed), left }
}

/** A directory that stands in for one whose path is too long for a socket (`paths.ts`). */
async function removeShort(directory: string): Promise<boolean> {
  const uid = process.getuid?.()
  if (!new RegExp(`^/tmp/scrum4me-${uid}-[0-9a-f]{16}$`).test(directory)) return false
  const found = await lstat(directory).catch(() => undefined)
  if (found === undefined || !found.isDirectory() || found.uid !== uid) return false
  for (const name of await readdir(directory)) {
    // Sockets of daemon and server, and what a killed one left.
    if (/^(daemon\.sock(\.lock)?|\.s[0-9a-z]+\.\d+|pg)$/.test(name))
      await rm(join(directory, name), { recursive: true, force: true })
  }
  return rmdir(directory).then(
    () => true,
    () => false,
  )
}

/** A directory says for everything below it that it is gone. */
function inside(paths: readonly string[]): string[] {
  return paths.filter((path) => !paths.some((other) => path.startsWith(`${other}/`)))
}

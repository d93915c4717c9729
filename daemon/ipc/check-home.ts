import { readdir, stat } from 'node:fs/promises'
import { DaemonError } from '../errors.ts'

/**
 * Throws PERMISSION_DENIED unless the home is a directory of this user, closed to all others; file system
 * errors pass through. It may be a link to such a one; what it leads to is what counts.
 */
export async function checkHome(home: string): Promise<void> {
  const found = await stat(home)
  const uid = process.getuid?.()
  if (!found.isDirectory()) {
    throw new DaemonError(
      'PERMISSION_DENIED',
      `The home ${home} is no directory; nothing was changed`,
      'Move that file away, or name another home with --home or SCRUM4ME_HOME',
    )
  }
  if (uid !== undefined && found.uid !== uid) {
    throw new DaemonError(
      'PERMISSION_DENIED',
      `The home ${home} belongs to another user (uid ${found.uid}, not ${uid}); nothing was changed`,
      'Start the daemon as that user, or name a home of your own with --home or SCRUM4ME_HOME',
    )
  }
  if ((found.mode & 0o077) !== 0) {
    throw new DaemonError(
      'PERMISSION_DENIED',
      `The home ${home} is open to other users (mode ${(found.mode & 0o777).toString(8)}); nothing was changed`,
      (await isOurs(home))
        ? `It holds a token: check who could read it, then run: chmod 700 ${JSON.stringify(home)}`
        : 'It holds files of others too: name a directory of its own with --home or SCRUM4ME_HOME',
    )
  }
}

/** Empty, or with what only a home has: closing `/tmp` or `/` would lock everybody out. */
async function isOurs(home: string): Promise<boolean> {
  const names = await readdir(home).catch(() => ['?'])
  return (
    names.length === 0 ||
    names.includes('daemon.env') ||
    ['run', 'state', 'logs'].every((name) => names.includes(name))
  )
}

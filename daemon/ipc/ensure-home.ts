import { chmod, lstat, mkdir, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, DaemonError } from '../errors.ts'
import type { Paths } from '../paths.ts'
import { checkPrivateDirectory } from '../wire/check-private-directory.ts'

/**
 * Makes the home, its folders and the private directories of our sockets, all 0700, or throws a
 * DaemonError that names what is wrong with what is there. Creates nothing in a home it refuses.
 */
export async function ensureHome(paths: Paths): Promise<void> {
  await makeDirectory(paths.home)
  await checkHome(paths.home)
  for (const directory of [paths.runDir, paths.stateDir, paths.logDir]) {
    await makeDirectory(directory)
    // Inside a closed home an open folder exposes nothing; it is put right instead of refused.
    if (((await lstat(directory)).mode & 0o077) !== 0) await chmod(directory, 0o700)
    await checkPrivateDirectory(directory)
  }
  for (const directory of new Set([dirname(paths.socket), dirname(paths.pgSocketDir)])) {
    await makeDirectory(directory)
    await checkPrivateDirectory(directory)
  }
}

/** The home itself may be a link to a private directory of ours; what it leads to is what counts. */
async function checkHome(home: string): Promise<void> {
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
      `It holds a token: check who could read it, then run: chmod 700 ${JSON.stringify(home)}`,
    )
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return
    throw new DaemonError(
      'PERMISSION_DENIED',
      `${directory} cannot be created (${codeOf(error) ?? 'unknown error'})`,
      'Make its parent writable for this user, or name another home with --home or SCRUM4ME_HOME',
      error,
    )
  }
}

import { chmod, lstat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { codeOf, DaemonError } from '../errors.ts'
import { makeDirectories } from '../make-directories.ts'
import type { Paths } from '../paths.ts'
import { checkPrivateDirectory } from '../wire/check-private-directory.ts'
import { checkHome } from './check-home.ts'

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
    await checkPrivateDirectory(directory, { home: paths.home })
  }
  for (const directory of new Set([dirname(paths.socket), dirname(paths.pgSocketDir)])) {
    await makeDirectory(directory)
    await checkPrivateDirectory(directory, { home: paths.home })
  }
}

async function makeDirectory(directory: string): Promise<void> {
  try {
    await makeDirectories(directory, 0o700)
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

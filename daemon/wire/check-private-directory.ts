import { lstat } from 'node:fs/promises'
import { DaemonError } from '../errors.ts'

export interface PrivateDirectoryOptions {
  /** Whose it must be; default: ours. */
  readonly uid?: number | undefined
  /** The home of this installation: what lies below it may be closed without asking what else it serves. */
  readonly home?: string | undefined
}

/**
 * A Unix socket's access control is its directory: real, owned by this user (`uid`), closed to all others.
 * Daemon, CLI and shim each check it before they trust what lies in it.
 * Throws PERMISSION_DENIED; file system errors (ENOENT) pass through.
 */
export async function checkPrivateDirectory(
  directory: string,
  { uid = process.getuid?.(), home }: PrivateDirectoryOptions = {},
): Promise<void> {
  const stat = await lstat(directory)
  if (!stat.isDirectory()) {
    throw refusal(directory, 'is no directory', 'Name a real directory, not a link or a file')
  }
  if (uid !== undefined && stat.uid !== uid) {
    throw refusal(
      directory,
      `belongs to another user (uid ${stat.uid}, not ${uid})`,
      `Run as the user who owns it, or set SCRUM4ME_HOME to a directory of your own`,
    )
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
    throw refusal(
      directory,
      `is open to other users (mode ${mode})`,
      isOurs(directory, home)
        ? `Run: chmod 700 ${JSON.stringify(directory)}`
        : 'Put the socket into a directory of your own with mode 0700 (SCRUM4ME_SOCKET)',
    )
  }
}

/** Below the home, or a short directory of `paths.ts`. Any other may serve others too: `/tmp`, even `/`. */
function isOurs(directory: string, home: string | undefined): boolean {
  if (home !== undefined && directory.startsWith(`${home}/`)) return true
  return /^\/tmp\/scrum4me-\d+-[0-9a-f]{16}(\/|$)/.test(directory)
}

function refusal(directory: string, fault: string, remedy: string): DaemonError {
  return new DaemonError('PERMISSION_DENIED', `${directory} ${fault}; nothing was changed`, remedy)
}

import { chmod, lstat, mkdir } from 'node:fs/promises'
import { codeOf, DaemonError } from '../../errors.ts'

/**
 * Makes `path` (and what is missing above it) a directory that only `uid` can enter. One that is already
 * there must be a real directory of that user; its mode is narrowed. Whoever can write there could put a
 * socket of theirs in our server's place, so nothing less is accepted.
 */
export async function ensurePrivateDirectory(
  path: string,
  uid: number = process.getuid?.() ?? 0,
): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 }).catch((error) => {
    // Something that is no directory; the check below says so in words.
    if (codeOf(error) !== 'EEXIST') throw error
  })
  const found = await lstat(path)
  if (!found.isDirectory() || found.uid !== uid) {
    throw new DaemonError(
      'DATABASE_UNAVAILABLE',
      `${path} is not a directory of this user (uid ${uid})`,
      `Look at what is there; if it is not needed, remove it and start the daemon again.`,
    )
  }
  if ((found.mode & 0o077) !== 0) await chmod(path, 0o700)
}

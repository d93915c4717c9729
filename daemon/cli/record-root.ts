import { randomBytes } from 'node:crypto'
import { open, readFile, realpath, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { withRepoRoot } from '../config/agent-config.ts'
import { codeOf, DaemonError } from '../errors.ts'
import { takeKernelLock } from '../lock/kernel-lock.ts'
import { makeDirectories } from '../make-directories.ts'

const LOCK_WAIT_SECONDS = 10

/**
 * Writes one repo root into the user's agent configuration: everything else in the file is kept, a reader
 * sees the old or the new file and nothing between, and writers (several daemons may share the file) take turns.
 */
export async function recordRoot(file: string, productId: string, path: string): Promise<void> {
  const target = await linkTarget(file)
  await makeDirectories(dirname(target))
  const lock = await takeKernelLock(`${target}.lock`, { waitSeconds: LOCK_WAIT_SECONDS })
  if (lock === null) {
    throw new DaemonError(
      'CONFLICT',
      `${file} is being written by another process for more than ${LOCK_WAIT_SECONDS} s`,
      'Nothing was written; try again.',
    )
  }
  try {
    await rewrite(target, productId, path)
  } finally {
    await lock.release()
  }
}

async function rewrite(target: string, productId: string, path: string): Promise<void> {
  const { text, mode } = await current(target)
  const next = text === null ? undefined : withRepoRoot(text, productId, path)
  if (next === undefined) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      `${target} is no file with a JSON object, so the repo root was not recorded in it`,
      `Repair it or move it away and run the same again, or set SCRUM4ME_REPO_ROOT_${productId}=${path}.`,
    )
  }
  if (next === text) return
  const draft = `${target}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const handle = await open(draft, 'wx', mode)
    try {
      await handle.writeFile(next)
      await handle.sync()
    } finally {
      await handle.close()
    }
    await rename(draft, target)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}

/** `text` is null for a directory. */
async function current(target: string): Promise<{ text: string | null; mode: number }> {
  try {
    const text = await readFile(target, 'utf8')
    return { text, mode: (await stat(target)).mode & 0o777 }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { text: '', mode: 0o600 }
    if (codeOf(error) === 'EISDIR') return { text: null, mode: 0o600 }
    throw error
  }
}

/** Dotfiles are often links into a repository of their own; the link stays one. */
async function linkTarget(file: string): Promise<string> {
  try {
    return await realpath(file)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return file
    throw error
  }
}

import { constants } from 'node:fs'
import { type FileHandle, open } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'

/** Of what git keeps in a small file; a larger one is left to git. */
const MAX_BYTES = 4 * 1024 * 1024
/** Enough for nearly all; each step on a file costs as much as reading so many bytes. */
const FIRST_BYTES = 16 * 1024

/**
 * What a file of a clone says, by default each byte a character; empty when there is none; null when it is no plain
 * file, is too large or cannot be read. A clone may be hostile: opening a pipe would wait forever, in one of the few
 * threads that read files.
 */
export async function readPlainFile(
  path: string,
  encoding: 'latin1' | 'utf8' = 'latin1',
): Promise<string | null> {
  let handle: FileHandle | undefined
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const first = Buffer.allocUnsafe(FIRST_BYTES)
    // At a position: whatever has none, like a pipe, refuses.
    const { bytesRead } = await handle.read(first, 0, FIRST_BYTES, 0)
    if (bytesRead < FIRST_BYTES) return first.toString(encoding, 0, bytesRead)
    const found = await handle.stat()
    return found.isFile() && found.size <= MAX_BYTES ? await handle.readFile(encoding) : null
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? '' : null
  } finally {
    // Nothing was written that could still fail, so nobody waits for it.
    handle?.close().catch(() => undefined)
  }
}

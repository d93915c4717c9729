import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { codeOf } from '../../errors.ts'

/** Of what git keeps in a small file; a larger one is left to git. */
const MAX_BYTES = 4 * 1024 * 1024

/**
 * What a file of a clone says, by default each byte a character; empty when there is none; null when it is no plain file, is too
 * large or cannot be read. A clone may be hostile: opening a pipe would wait forever, in one of the few threads that
 * read files.
 */
export async function readPlainFile(
  path: string,
  encoding: 'latin1' | 'utf8' = 'latin1',
): Promise<string | null> {
  try {
    const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
    try {
      const found = await handle.stat()
      return found.isFile() && found.size <= MAX_BYTES ? await handle.readFile(encoding) : null
    } finally {
      await handle.close()
    }
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? '' : null
  }
}

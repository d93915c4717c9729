import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { codeOf } from '../../daemon/errors.ts'

/** Path and text (each byte a character) of every file below a directory. What goes meanwhile is left out. */
export async function filesBelow(directory: string): Promise<[path: string, text: string][]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
  const texts = await Promise.all(paths.map((path) => readFile(path, 'latin1').catch(unlessGone)))
  return paths.flatMap((path, index) => {
    const text = texts[index]
    return typeof text === 'string' ? [[path, text]] : []
  })
}

function unlessGone(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null
  throw error
}

import { lstat } from 'node:fs/promises'
import type { Engine } from './engine.ts'
import { below, fields } from './salvage/bytes.ts'
import { printOf } from './salvage/survey.ts'

/** More than so many are no configuration files any more; then all of them count as work. */
const LIMIT = 2_000

/**
 * Of what the preparation brought, the files that git neither tracks nor ignores (`node_modules/` in .gitignore does
 * not match a link of that name): with their stat data, so that a save leaves them out until somebody changes them.
 */
export async function preparedFiles(
  engine: Engine,
  names: readonly string[],
  path: string,
): Promise<Record<string, string>> {
  if (names.length === 0) return {}
  const { stdout } = await engine.git.run(
    { dir: path, signal: engine.stopping },
    '--literal-pathspecs',
    'ls-files',
    '--others',
    '--exclude-standard',
    '-z',
    '--',
    ...names,
  )
  const found = fields(stdout)
  if (found.length > LIMIT) return {}
  const files: Record<string, string> = {}
  for (const name of found) {
    if (name.endsWith('/')) continue
    files[name] = printOf(await lstat(below(path, name), { bigint: true }))
  }
  return files
}

import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { readPlainFile } from './read-plain-file.ts'
import type { Repository } from './repository.ts'

const DECIDING = /^(core|filter|extensions|index|checkout|submodule)\./

/** Equal as long as a checkout in this clone would give the same files from the same commit. */
export async function checkoutSettings(repository: Repository): Promise<string> {
  const files = [
    join(repository.gitDir, 'info/sparse-checkout'),
    join(repository.gitDir, 'config.worktree'),
    join(repository.commonDir, 'info/attributes'),
  ]
  const hash = createHash('sha256')
  for (const { scope, key, value } of repository.config) {
    if (DECIDING.test(key)) hash.update(`${scope} ${key}=${value}\0`)
  }
  for (const file of files) hash.update((await readPlainFile(file)) ?? '').update('\0')
  return hash.digest('hex')
}

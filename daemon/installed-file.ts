import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DaemonError } from './errors.ts'

/**
 * A file or directory of this package by its path below the package's root, found upwards from here: the same
 * code runs as a source, compiled one by one (for tests and the bench), and in the bundle that is installed.
 */
export async function installedFile(name: string, from: string = import.meta.dirname): Promise<string> {
  for (let directory = from; dirname(directory) !== directory; directory = dirname(directory)) {
    const candidate = join(directory, name)
    const found = await access(candidate).then(
      () => true,
      () => false,
    )
    if (found) return candidate
  }
  throw new DaemonError(
    'INTERNAL',
    `${name} is missing from this installation`,
    'Install scrum4me-daemon again; your data and settings stay.',
  )
}

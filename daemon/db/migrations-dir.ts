import { access } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DaemonError } from '../errors.ts'

/**
 * `prisma/migrations` of the package this file belongs to: two levels up from `daemon/db` in a checkout,
 * three from `dist/daemon/db` in an installed package.
 */
export async function migrationsDir(from: string = import.meta.dirname): Promise<string> {
  for (let directory = from; dirname(directory) !== directory; directory = dirname(directory)) {
    const candidate = join(directory, 'prisma', 'migrations')
    const found = await access(join(candidate, 'migration_lock.toml')).then(
      () => true,
      () => false,
    )
    if (found) return candidate
  }
  throw new DaemonError(
    'INTERNAL',
    `No prisma/migrations above ${from}`,
    'The installation is incomplete; install scrum4me-daemon again.',
  )
}

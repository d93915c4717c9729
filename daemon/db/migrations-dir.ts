import { dirname } from 'node:path'
import { installedFile } from '../installed-file.ts'

/** `prisma/migrations` of this package; its lock file tells it from somebody else's directory of that name. */
export async function migrationsDir(from?: string): Promise<string> {
  return dirname(await installedFile('prisma/migrations/migration_lock.toml', from))
}

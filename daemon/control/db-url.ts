import { createHash } from 'node:crypto'
import { maskDatabaseUrl } from '../config/database-url.ts'
import { DaemonError } from '../errors.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

/** `{ url }`, which node-postgres accepts; the password only on request. */
export const dbUrlMethod: ControlMethod = {
  name: 'db-url',
  async call(params, context) {
    const url = context.database.url()
    if (url === undefined) {
      throw new DaemonError(
        'DATABASE_UNAVAILABLE',
        'The embedded database is not running yet',
        'Try again in a moment; `scrum4me-daemon status` says why if it stays so.',
      )
    }
    return { url: new Params(params).flag('show_password') ? url : maskDatabaseUrl(url) }
  },
}

/**
 * Whether a caller's DATABASE_URL is the daemon's: `{ same, used, where }`; `used` is also that of the embedded
 * database as `db url` prints it, which no next daemon should be given. Takes a hash, because the caller's may belong
 * to something else entirely and is none of our business.
 */
export const sameDatabaseMethod: ControlMethod = {
  name: 'same-database',
  async call(params, context) {
    const theirs = new Params(params).text('url_sha256', 64)
    const url = context.config.databaseUrl
    const isTheirs = (ours: string | undefined) =>
      ours !== undefined && createHash('sha256').update(ours).digest('hex') === theirs
    const where = url === undefined ? 'embedded' : maskDatabaseUrl(url)
    return { same: isTheirs(url), used: isTheirs(context.database.url()), where }
  },
}

import { dumpDatabase } from '../db/dump.ts'
import type { Listener } from '../db/listener.ts'
import { migrate } from '../db/migrate.ts'
import type { Pools } from '../db/pools.ts'
import { DaemonError, toDaemonError } from '../errors.ts'
import type { ControlDatabase } from './context.ts'
import { missingIn } from './doctor/schema-check.ts'

export interface ControlDatabaseOptions {
  readonly kind: 'embedded' | 'external'
  readonly where: string
  readonly pools: Pools
  readonly listener: Listener
}

/** The daemon's database as the control methods see it. */
export function controlDatabase({ kind, where, pools, listener }: ControlDatabaseOptions): ControlDatabase {
  return {
    kind,
    where,
    url: () => pools.url.connectionString,
    listen: () => listener.state,
    async ping() {
      const begun = performance.now()
      await pools.backlog.query('select 1').catch((error: unknown) => {
        throw new DaemonError(
          'DATABASE_UNAVAILABLE',
          `${where} does not answer: ${toDaemonError(error).message}`,
          'Check that the server runs and can be reached; the daemon tries again by itself.',
          error,
        )
      })
      return performance.now() - begun
    },
    missing: () => missingIn(pools.backlog),
    async migrate() {
      return (await migrate(pools.backlog)).applied
    },
    dump: (file) => dumpDatabase(pools.backlog, file),
  }
}

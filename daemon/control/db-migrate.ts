import { DaemonError } from '../errors.ts'
import type { ControlContext } from './context.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

/**
 * `{ print? }` → `{ applied[], sql, message }`. Ours to change is the embedded database only; of a shared one
 * we name what is missing, with the SQL for its owner, and touch nothing.
 */
export const dbMigrateMethod: ControlMethod = {
  name: 'db-migrate',
  async call(params, { database }) {
    const print = new Params(params).flag('print')
    if (database.kind === 'embedded' && !print) {
      const applied = await database.migrate()
      const message = applied.length === 0 ? 'The embedded database is up to date.' : 'Migrated.'
      return { applied, sql: '', message }
    }
    const { names, sql } = await database.missing()
    if (names.length === 0) return { applied: [], sql: '', message: 'Nothing is missing.' }
    const whose = database.kind === 'embedded' ? 'Nothing was changed' : 'The database is not ours to change'
    return { applied: [], sql, message: `Missing: ${names.join(', ')}. ${whose}.` }
  },
}

/** `{ file }` → `{ file, bytes }`: all data of the embedded database. */
export const dbDumpMethod: ControlMethod = {
  name: 'db-dump',
  async call(params, { database }: ControlContext) {
    const file = new Params(params).text('file')
    if (database.kind !== 'embedded') {
      throw new DaemonError(
        'VALIDATION_ERROR',
        `The database is not embedded but ${database.where}`,
        'Use pg_dump with the URL from `scrum4me-daemon db url`.',
      )
    }
    return { file, bytes: await database.dump(file) }
  },
}

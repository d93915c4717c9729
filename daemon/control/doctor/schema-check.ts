import type pg from 'pg'
import { checkSchema } from '../../db/schema-check.ts'
import { type Check, fail, ok } from './check.ts'

export interface Missing {
  /** `table x`, `column t.c` … */
  readonly names: readonly string[]
  /** What would add them. */
  readonly sql: string
}

/** What a database lacks of what we read and write. */
export async function missingIn(db: Pick<pg.Pool, 'query'>): Promise<Missing> {
  const { missingTables, missingColumns, missingEnumValues, missingUniques, sql } = await checkSchema(db)
  const names = [
    ...missingTables.map((table) => `table ${table}`),
    ...missingColumns.map((column) => `column ${column}`),
    ...missingEnumValues.map((value) => `enum value ${value}`),
    ...missingUniques.map((unique) => `unique index ${unique}`),
  ]
  return { names, sql: sql.join('\n') }
}

export function schemaCheck({ names }: Pick<Missing, 'names'>): Check {
  if (names.length === 0) return ok('schema', 'every table and column is there')
  return fail(
    'schema',
    `missing: ${names.join(', ')}`,
    'Give the owner of the database what `scrum4me-daemon db migrate --print` prints.',
  )
}

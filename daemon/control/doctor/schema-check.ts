import type pg from 'pg'
import { ownerSql } from '../../db/owner-sql.ts'
import { checkSchema } from '../../db/schema-check.ts'
import { type Check, fail, ok, warn } from './check.ts'

export interface Missing {
  /** `table x`, `column t.c` … */
  readonly names: readonly string[]
  /** What would add them. */
  readonly sql: string
  /** Presence and jobs cannot work; else only the tools that need what is missing are left out. */
  readonly blocking: boolean
}

/** What a database lacks of what we read and write. */
export async function missingIn(db: Pick<pg.Pool, 'query'>): Promise<Missing> {
  const findings = await checkSchema(db)
  const { missingTables, missingColumns, missingEnumValues, missingUniques, sql } = findings
  const names = [
    ...missingTables.map((table) => `table ${table}`),
    ...missingColumns.map((column) => `column ${column}`),
    ...missingEnumValues.map((value) => `enum value ${value}`),
    ...missingUniques.map((unique) => `unique index ${unique}`),
  ]
  return { names, sql: sql.join('\n'), blocking: findings.blocking !== null }
}

export function schemaCheck({ names, blocking, sql }: Missing): Check {
  if (names.length === 0) return ok('schema', 'every table and column is there')
  if (!blocking) {
    return warn(
      'schema',
      `missing: ${names.join(', ')}; tools that need it are left out (worker_status names them), all else works`,
      `An older or newer Scrum4Me may lack it on purpose. ${ownerSql(sql)}`,
    )
  }
  return fail('schema', `missing: ${names.join(', ')}`, ownerSql(sql))
}

import type { ExpectedSchema } from './expected-schema.ts'

/** What a database lacks; names as in `ExpectedSchema`. */
export interface Missing {
  readonly tables: readonly string[]
  readonly columns: readonly { readonly table: string; readonly column: string }[]
  /** Enum as the database calls it, quoted where needed. */
  readonly enumValues: readonly { readonly enumType: string; readonly value: string }[]
  /** CREATE UNIQUE INDEX statements. */
  readonly uniqueIndexes: readonly string[]
}

/**
 * Statements that add what is missing, each ending in `;`, in an order that works. They only add, and what
 * they add is nullable or has a default, so they can be run twice and beside other programs. For the owner
 * of a shared database to read and run; the daemon never runs them.
 */
export function additiveSql(expected: ExpectedSchema, missing: Missing): string[] {
  const columns = missing.columns.flatMap(({ table, column }) => {
    const found = expected.tables.get(table)?.find((candidate) => candidate.name === column)
    return found === undefined ? [] : [{ table, ...found }]
  })
  const enumNames = new Set(columns.map((column) => column.enumName))
  for (const table of missing.tables) {
    for (const column of expected.tables.get(table) ?? []) enumNames.add(column.enumName)
  }
  const created = missing.tables.flatMap((table) => {
    const statements = expected.statements.get(table)
    return statements === undefined ? [] : [statements]
  })
  const touched = columns.map(({ table, name }) => {
    const { indexes = [], foreignKeys = [] } = expected.statements.get(table) ?? {}
    const mentions = (statement: string) => statement.slice(statement.indexOf('(')).includes(`"${name}"`)
    const owns = (statement: string) => statement.includes(`FOREIGN KEY ("${name}")`)
    return { indexes: indexes.filter(mentions), foreignKeys: foreignKeys.filter(owns) }
  })
  const indexes = [...created, ...touched].flatMap((statements) => statements.indexes).map(ifNotExists)
  const uniques = missing.uniqueIndexes.map(ifNotExists)
  return [
    ...missing.enumValues.map(
      ({ enumType, value }) => `ALTER TYPE ${enumType} ADD VALUE IF NOT EXISTS ${quote(value)};`,
    ),
    ...[...expected.enums]
      .filter(([name]) => enumNames.has(name))
      .map(([name, values]) => createEnum(name, values)),
    ...created.map(
      (statements) => `${statements.create.replace(/^CREATE TABLE/, 'CREATE TABLE IF NOT EXISTS')};`,
    ),
    ...columns.map(
      ({ table, name, definition }) =>
        `ALTER TABLE "${table}" ADD COLUMN IF NOT EXISTS "${name}" ${addable(definition)};`,
    ),
    ...new Set([...indexes, ...uniques]),
    ...new Set([...created, ...touched].flatMap((statements) => statements.foreignKeys).map(unlessThere)),
  ]
}

/** A required column without a default cannot be added to rows that exist. */
function addable(definition: string): string {
  return definition.includes('DEFAULT') ? definition : definition.replace(' NOT NULL', '')
}

function ifNotExists(createIndex: string): string {
  return `${createIndex.replace(/INDEX /, 'INDEX IF NOT EXISTS ')};`
}

function createEnum(name: string, values: readonly string[]): string {
  return unlessThere(`CREATE TYPE "${name}" AS ENUM (${values.map(quote).join(', ')})`)
}

/** For what knows no IF NOT EXISTS: types and constraints. */
function unlessThere(statement: string): string {
  return `DO $$ BEGIN ${statement}; EXCEPTION WHEN duplicate_object THEN NULL; END $$;`
}

function quote(value: string): string {
  return `'${value.replaceAll("'", "''")}'`
}

import { readMigrations } from './migrate.ts'
import { migrationsDir } from './migrations-dir.ts'

export interface ExpectedColumn {
  readonly name: string
  /** As the migration writes it: `TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP`. */
  readonly definition: string
  /** Name of the enum it has, if any. */
  readonly enumName: string | undefined
}

/** What the migrations make, read from their text: one source for what we need and for the SQL that adds it. */
export interface ExpectedSchema {
  readonly enums: ReadonlyMap<string, readonly string[]>
  readonly tables: ReadonlyMap<string, readonly ExpectedColumn[]>
  /** Statements that make a table: itself, its indexes, its foreign keys. */
  readonly statements: ReadonlyMap<string, { create: string; indexes: string[]; foreignKeys: string[] }>
  /** Unique indexes: table and columns. */
  readonly uniques: readonly { table: string; columns: readonly string[]; statement: string }[]
}

/**
 * Understands the statements that Prisma generates: CREATE TYPE AS ENUM, CREATE TABLE, CREATE [UNIQUE]
 * INDEX, ALTER TABLE ADD COLUMN and ADD CONSTRAINT, ALTER TYPE ADD VALUE. A test holds the result against a
 * migrated database, so a migration that needs more than this fails there.
 */
export async function readExpectedSchema(directory?: string): Promise<ExpectedSchema> {
  const migrations = await readMigrations(directory ?? (await migrationsDir()))
  return parseExpectedSchema(migrations.map((migration) => migration.sql).join('\n'))
}

export function parseExpectedSchema(sql: string): ExpectedSchema {
  const enums = new Map<string, string[]>()
  const tables = new Map<string, ExpectedColumn[]>()
  const statements = new Map<string, { create: string; indexes: string[]; foreignKeys: string[] }>()
  const uniques: { table: string; columns: string[]; statement: string }[] = []
  for (const statement of split(sql)) {
    const [first = '', second = ''] = identifiers(statement)
    if (/^CREATE TYPE/.test(statement)) enums.set(first, literals(statement))
    else if (/^ALTER TYPE .* ADD VALUE/.test(statement)) enums.get(first)?.push(...literals(statement))
    else if (/^CREATE TABLE/.test(statement)) {
      tables.set(first, parseColumns(statement, enums))
      statements.set(first, { create: statement, indexes: [], foreignKeys: [] })
    } else if (/^CREATE (UNIQUE )?INDEX/.test(statement)) {
      statements.get(second)?.indexes.push(statement)
      const columns = identifiers(statement).slice(2)
      if (/^CREATE UNIQUE/.test(statement)) uniques.push({ table: second, columns, statement })
    } else if (/ADD CONSTRAINT/.test(statement)) statements.get(first)?.foreignKeys.push(statement)
    else if (/ADD COLUMN/.test(statement)) tables.get(first)?.push(...parseColumns(statement, enums))
  }
  return { enums, tables, statements, uniques }
}

/** Statements without comments; Prisma writes no semicolon inside one. */
function split(sql: string): string[] {
  const code = sql.replace(/^\s*--.*$/gm, '')
  return code
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '')
}

function parseColumns(statement: string, enums: ReadonlyMap<string, unknown>): ExpectedColumn[] {
  return [...statement.matchAll(/^\s*(?:ALTER TABLE "\w+"\s+)?(?:ADD COLUMN\s+)?"(\w+)"\s+(.+?),?$/gm)].map(
    ([, name = '', definition = '']) => {
      const type = /^"(\w+)"/.exec(definition)?.[1]
      return { name, definition, enumName: type !== undefined && enums.has(type) ? type : undefined }
    },
  )
}

function identifiers(statement: string): string[] {
  return [...statement.matchAll(/"(\w+)"/g)].map(([, name = '']) => name)
}

function literals(statement: string): string[] {
  return [...statement.matchAll(/'([^']*)'/g)].map(([, value = '']) => value)
}

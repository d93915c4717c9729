import type pg from 'pg'
import { additiveSql } from './additive-sql.ts'
import { type ExpectedSchema, readExpectedSchema } from './expected-schema.ts'

/** What a database has of what the daemon reads and writes. */
export interface SchemaFindings {
  readonly missingTables: readonly string[]
  /** `table.column`. */
  readonly missingColumns: readonly string[]
  /** `Enum.VALUE` of enums that the daemon writes; `Enum` as the database calls it. */
  readonly missingEnumValues: readonly string[]
  /** `table(column, …)`: unique indexes without which concurrent writers would not be told apart. */
  readonly missingUniques: readonly string[]
  /**
   * One sentence if presence and jobs cannot work safely, naming what is missing; null if they can. What
   * is missing elsewhere only takes the tools away that need it.
   */
  readonly blocking: string | null
  /** Tables that cannot be used as they are: a tool that needs one leaves the catalog. */
  readonly unusableTables: ReadonlySet<string>
  /** Columns of newer Scrum4Me versions that decide for whom a job is (contract section 4). */
  readonly optional: {
    readonly sprintRunId: boolean
    readonly runtime: boolean
    readonly requiredCapability: boolean
  }
  /** Statements that add what is missing and change nothing else, in order; empty when all is there. */
  readonly sql: readonly string[]
}

/** Without these in full there is no safe claim. */
const CORE_TABLES = new Set([
  ...['users', 'api_tokens', 'products', 'product_members', 'pbis', 'stories', 'sprints', 'tasks'],
  ...['claude_jobs', 'claude_workers'],
])
/** Enums whose values we only read, and read as text: a newer Scrum4Me may have others. */
const READ_ONLY_ENUMS = new Set(['SprintStatus', 'VerifyRequired', 'Role'])
/** A job can be neither claimed nor reported without their values. */
const CORE_ENUMS = new Set(['ClaudeJobStatus', 'ClaudeJobKind'])
/** Tables whose unique indexes have to be there: those that a statement of ours names in ON CONFLICT. */
const CORE_UNIQUES = new Set(['claude_workers'])

interface Column {
  readonly table: string
  readonly column: string | null
  readonly enum: string | null
  readonly values: string[] | null
}

/** One round trip: every column of our tables as the search path finds them, with the labels of its enum. */
const COLUMNS = `
  select t.name as table, a.attname as column,
         case when e.labels is not null then a.atttypid::regtype::text end as enum, e.labels as values
    from unnest($1::text[]) as t(name)
    join pg_class c on c.oid = to_regclass(quote_ident(t.name)) and c.relkind in ('r', 'p')
    left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
    left join lateral (
      select array_agg(enumlabel::text order by enumsortorder) as labels from pg_enum where enumtypid = a.atttypid
    ) e on true`

const UNIQUES = `
  select t.name as table, array(
           select a.attname::text from unnest(i.indkey::int2[]) as k(num)
             join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num
         ) as columns
    from unnest($1::text[]) as t(name)
    join pg_index i on i.indrelid = to_regclass(quote_ident(t.name))
   where i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null`

/** Compares a database with what this version needs; reads catalogs only. */
export async function checkSchema(
  pool: Pick<pg.Pool, 'query'>,
  expected?: ExpectedSchema,
): Promise<SchemaFindings> {
  const wanted = expected ?? (await readExpectedSchema())
  const names = [...wanted.tables.keys()]
  const columns = (await pool.query<Column>(COLUMNS, [names])).rows
  const uniques = (await pool.query<{ table: string; columns: string[] }>(UNIQUES, [names])).rows
  return compare(wanted, columns, uniques)
}

function compare(
  wanted: ExpectedSchema,
  columns: readonly Column[],
  uniques: readonly { table: string; columns: string[] }[],
): SchemaFindings {
  const have = new Map(columns.map((column) => [`${column.table}.${column.column}`, column]))
  const present = new Set(columns.map((column) => column.table))
  const tables = [...wanted.tables.keys()].filter((table) => !present.has(table))
  const missingColumns: { table: string; column: string }[] = []
  const missingValues: { table: string; enumName: string; enumType: string; value: string }[] = []
  for (const [table, expectedColumns] of wanted.tables) {
    if (!present.has(table)) continue
    for (const { name: column, enumName } of expectedColumns) {
      const found = have.get(`${table}.${column}`)
      if (found === undefined) missingColumns.push({ table, column })
      else if (enumName !== undefined && found.enum !== null && !READ_ONLY_ENUMS.has(enumName)) {
        for (const value of wanted.enums.get(enumName) ?? []) {
          if (!found.values?.includes(value))
            missingValues.push({ table, enumName, enumType: found.enum, value })
        }
      }
    }
  }
  const lost = wanted.uniques.filter(
    ({ table, columns: needed }) =>
      present.has(table) &&
      CORE_UNIQUES.has(table) &&
      !uniques.some((unique) => unique.table === table && sameSet(unique.columns, needed)),
  )
  const missingUniques = lost.map(({ table, columns: needed }) => `${table}(${needed.join(', ')})`)
  const blocking = [
    ...tables.filter((table) => CORE_TABLES.has(table)).map((table) => `table ${table}`),
    ...missingColumns
      .filter(({ table }) => CORE_TABLES.has(table))
      .map(({ table, column }) => `column ${table}.${column}`),
    ...missingValues
      .filter(({ enumName }) => CORE_ENUMS.has(enumName))
      .map(({ enumType, value }) => `enum value ${enumType}.${value}`),
    ...missingUniques.map((unique) => `unique index ${unique}`),
  ]
  return {
    missingTables: tables,
    missingColumns: missingColumns.map(({ table, column }) => `${table}.${column}`),
    missingEnumValues: [...new Set(missingValues.map(({ enumType, value }) => `${enumType}.${value}`))],
    missingUniques,
    blocking: blocking.length === 0 ? null : blocking.join(', '),
    unusableTables: new Set([...tables, ...[...missingColumns, ...missingValues].map(({ table }) => table)]),
    optional: {
      sprintRunId: have.has('claude_jobs.sprint_run_id'),
      runtime: have.has('claude_jobs.runtime'),
      requiredCapability: have.has('claude_jobs.required_capability'),
    },
    sql: additiveSql(wanted, {
      tables,
      columns: missingColumns,
      enumValues: missingValues,
      uniqueIndexes: lost.map(({ statement }) => statement),
    }),
  }
}

function sameSet(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((item) => other.includes(item))
}

import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { parseExpectedSchema, readExpectedSchema } from '../../daemon/db/expected-schema.ts'
import { checkSchema } from '../../daemon/db/schema-check.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
beforeEach(async () => {
  db = await testDatabase()
})
afterEach(() => db.drop())

/** Runs the SQL of a check, twice as its owner might, and checks again. */
async function repair(): Promise<Awaited<ReturnType<typeof checkSchema>>> {
  const { sql } = await checkSchema(db.pool)
  const transaction = sql.filter((statement) => !statement.startsWith('ALTER TYPE'))
  for (const statement of sql) await db.query(statement)
  for (const statement of transaction) await db.query(statement)
  return checkSchema(db.pool)
}

test('what the migrations make is complete', async () => {
  const found = await checkSchema(db.pool)
  expect(found).toEqual({
    ...{ missingTables: [], missingColumns: [], missingEnumValues: [], missingUniques: [] },
    ...{ blocking: null, unusableTables: new Set(), sql: [] },
    optional: { sprintRunId: false, runtime: false, requiredCapability: false },
  })
})

test('the expectation read from the migrations is the migrated catalog', async () => {
  const expected = await readExpectedSchema()
  const rows = await db.query<{ name: string; columns: string[] }>(`
    select relname as name, array(select attname::text from pg_attribute
             where attrelid = c.oid and attnum > 0 and not attisdropped order by attnum) as columns
      from pg_class c where relnamespace = 'public'::regnamespace and relkind = 'r' and relname !~ '^_' order by 1`)
  const tables = [...expected.tables].map(([name, columns]) => ({
    name,
    columns: columns.map((one) => one.name),
  }))
  expect(tables.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(rows)
  const enums = await db.query<{ name: string; values: string[] }>(
    `select typname as name, array_agg(enumlabel::text order by enumsortorder) as values
       from pg_enum join pg_type t on t.oid = enumtypid group by 1 order by typname collate "C"`,
  )
  const wanted = [...expected.enums].map(([name, values]) => ({ name, values }))
  expect(wanted.sort((a, b) => (a.name < b.name ? -1 : 1))).toEqual(enums)
  expect(expected.uniques.map((unique) => unique.table)).toContain('claude_workers')
  expect(expected.tables.get('claude_jobs')?.find((column) => column.name === 'status')?.enumName).toBe(
    'ClaudeJobStatus',
  )
})

test('later migrations are understood too', () => {
  const schema = parseExpectedSchema(`
    -- CreateEnum; with a semicolon in a comment
    CREATE TYPE "Color" AS ENUM ('RED');
    CREATE TABLE "things" (
        "id" TEXT NOT NULL,

        CONSTRAINT "things_pkey" PRIMARY KEY ("id")
    );
    ALTER TYPE "Color" ADD VALUE 'BLUE';
    ALTER TABLE "things" ADD COLUMN     "color" "Color" NOT NULL DEFAULT 'RED',
    ADD COLUMN     "size" DECIMAL(10,2);`)
  expect(schema.enums.get('Color')).toEqual(['RED', 'BLUE'])
  expect(schema.tables.get('things')).toEqual([
    { name: 'id', definition: 'TEXT NOT NULL', enumName: undefined },
    { name: 'color', definition: `"Color" NOT NULL DEFAULT 'RED'`, enumName: 'Color' },
    { name: 'size', definition: 'DECIMAL(10,2)', enumName: undefined },
  ])
})

test('an empty database: everything is named, and the SQL makes all of it', async () => {
  const empty = await testDatabase({ empty: true })
  try {
    const found = await checkSchema(empty.pool)
    expect(found.missingTables).toHaveLength(14)
    expect(found.blocking).toMatch(/table claude_jobs/)
    for (const statement of found.sql) await empty.query(statement)
    const again = await checkSchema(empty.pool)
    expect(again).toMatchObject({ missingTables: [], missingColumns: [], blocking: null, sql: [] })
    await seed.job(empty)
  } finally {
    await empty.drop()
  }
})

describe('a database that lacks', () => {
  test('a table that only tools need: nothing is blocked', async () => {
    await db.query('drop table todos')
    const found = await checkSchema(db.pool)
    expect(found).toMatchObject({ missingTables: ['todos'], blocking: null })
    expect(found.unusableTables).toEqual(new Set(['todos']))
    expect(await repair()).toMatchObject({ missingTables: [], sql: [] })
  })

  test('columns of a claim: blocked, named, and added with their index', async () => {
    await db.query('alter table claude_jobs drop column lease_until, drop column worker_instance_id')
    const found = await checkSchema(db.pool)
    expect(found.missingColumns).toEqual(['claude_jobs.worker_instance_id', 'claude_jobs.lease_until'])
    expect(found.blocking).toBe('column claude_jobs.worker_instance_id, column claude_jobs.lease_until')
    expect(found.unusableTables).toEqual(new Set(['claude_jobs']))
    expect(found.sql.join('\n')).toMatch(/INDEX IF NOT EXISTS "claude_jobs_status_lease_until_idx"/)
    expect(await repair()).toMatchObject({ blocking: null, sql: [] })
  })

  test('a required column without default, beside rows: added as nullable', async () => {
    await seed.product(db)
    await db.query('alter table products drop column definition_of_done')
    expect((await checkSchema(db.pool)).sql).toEqual([
      'ALTER TABLE "products" ADD COLUMN IF NOT EXISTS "definition_of_done" TEXT;',
    ])
    expect(await repair()).toMatchObject({ blocking: null })
  })

  test('the unique index of workers', async () => {
    await db.query('drop index claude_workers_user_id_token_id_instance_id_key')
    await db.query('create unique index on claude_workers (token_id) where pid is null')
    const found = await checkSchema(db.pool)
    expect(found.blocking).toBe('unique index claude_workers(user_id, token_id, instance_id)')
    expect(await repair()).toMatchObject({ blocking: null, sql: [] })
  })

  test('values of an enum that we write, also where the enum has another name', async () => {
    await db.query('alter type "ClaudeJobStatus" rename to job_status_enum')
    await db.query(`alter type job_status_enum rename value 'SKIPPED' to 'PASSED_OVER'`)
    const found = await checkSchema(db.pool)
    expect(found.missingEnumValues).toEqual(['job_status_enum.SKIPPED'])
    expect(found.blocking).toMatch(/job_status_enum.SKIPPED/)
    expect(await repair()).toMatchObject({ blocking: null, sql: [] })
  })
})

test('newer versions may have more columns, other sprint states and text instead of enums', async () => {
  await db.query('alter table claude_jobs add column sprint_run_id text, add column runtime text')
  await db.query(`alter type "SprintStatus" rename value 'ACTIVE' to 'OPEN'`)
  await db.query('alter table tasks alter column status drop default, alter column status type text')
  const found = await checkSchema(db.pool)
  expect(found).toMatchObject({ blocking: null, sql: [] })
  expect(found.optional).toEqual({ sprintRunId: true, runtime: true, requiredCapability: false })
})

test('nothing is written, and a table of another schema is not taken for ours', async () => {
  await db.query('create schema elsewhere; alter table todos set schema elsewhere')
  const client = await db.pool.connect()
  try {
    await client.query('begin; set transaction read only')
    expect((await checkSchema(client)).missingTables).toEqual(['todos'])
  } finally {
    client.release(true)
  }
})

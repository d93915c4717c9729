import { readFile } from 'node:fs/promises'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { migrate } from '../../daemon/db/migrate.ts'
import { migrationsDir } from '../../daemon/db/migrations-dir.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { PrismaSchemaEngine } from './schema-engine.ts'

let migrated: TestDatabase
let other: TestDatabase

beforeAll(async () => {
  migrated = await testDatabase({ empty: true })
  await migrate(migrated.pool)
})

afterAll(() => migrated.drop())

beforeEach(async () => {
  other = await testDatabase({ empty: true })
})

afterEach(() => other.drop())

const datamodel = await readFile(new URL('../../prisma/schema.prisma', import.meta.url), 'utf8')

/** Everything that PostgreSQL knows of a schema, one line each; Prisma's own table left out. */
async function catalogOf(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ line: string }>(`
    with tables as (select oid, relname from pg_class
      where relnamespace = 'public'::regnamespace and relkind = 'r' and relname <> '_prisma_migrations')
    select format('column %s.%s %s%s default %s', relname, attname, format_type(atttypid, atttypmod),
                  case when attnotnull then ' not null' end, coalesce(pg_get_expr(adbin, adrelid), '-')) as line
      from tables join pg_attribute on attrelid = tables.oid and attnum > 0 and not attisdropped
      left join pg_attrdef on adrelid = attrelid and adnum = attnum
    union all select format('index %s', pg_get_indexdef(indexrelid)) from pg_index join tables on oid = indrelid
    union all select format('constraint %s.%s %s', relname, conname, pg_get_constraintdef(c.oid))
      from pg_constraint c join tables on tables.oid = conrelid
    union all select format('enum %s %s', typname, string_agg(enumlabel, ',' order by enumsortorder))
      from pg_enum join pg_type t on t.oid = enumtypid group by typname
    order by 1`)
  return rows.map((row) => row.line)
}

async function make(schema: string): Promise<void> {
  const engine = await PrismaSchemaEngine.connect(other.url, schema)
  await other.query(await engine.script())
}

test('a migrated database is what Prisma makes of schema.prisma, to the last index and rule', async () => {
  await make(datamodel)
  const catalog = await catalogOf(migrated)
  expect(catalog).toEqual(await catalogOf(other))
  expect(catalog.length).toBeGreaterThan(200)
})

test.each([
  ['a column', 'head_sha            String?', ''],
  ['a type', '@db.VarChar(2000)', '@db.VarChar(2001)'],
  ['nullability', 'sprint_goal  String', 'sprint_goal  String?'],
  ['a default', '@default("legacy")', '@default("other")'],
  ['an index', '@@index([status, lease_until])', ''],
  ['a unique index', '@@unique([user_id, token_id, instance_id])', ''],
  [
    'a rule on delete',
    '[claimed_by_token_id], references: [id], onDelete: SetNull',
    '[claimed_by_token_id], references: [id], onDelete: Cascade',
  ],
  ['an enum value', 'SKIPPED', 'SKIPPED\n  PAUSED'],
])('a difference in %s would be seen', async (_what, from, to) => {
  const changed = datamodel.replace(from, to)
  expect(changed).not.toBe(datamodel)
  await make(changed)
  expect(await catalogOf(migrated)).not.toEqual(await catalogOf(other))
})

test('`prisma migrate deploy` finds our record complete and unchanged', async () => {
  const engine = await PrismaSchemaEngine.connect(migrated.url, datamodel)
  expect(await engine.deploy(await migrationsDir())).toEqual({ applied: [], edited: [], failed: [] })
})

test('what `prisma migrate deploy` applied needs nothing of us', async () => {
  const engine = await PrismaSchemaEngine.connect(other.url, datamodel)
  expect((await engine.deploy(await migrationsDir())).applied).toHaveLength(1)
  // The engine keeps its session, and in it the lock for which `migrate` would wait.
  await other.query(
    'select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
    [other.name],
  )
  expect(await migrate(other.pool)).toEqual({ applied: [], unknown: [] })
  expect(await catalogOf(other)).toEqual(await catalogOf(migrated))
})

import { createHash } from 'node:crypto'
import { appendFile, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { migrate } from '../../daemon/db/migrate.ts'
import { migrationsDir } from '../../daemon/db/migrations-dir.ts'
import { Pools } from '../../daemon/db/pools.ts'
import { silentLogger } from '../../daemon/logger.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'

let db: TestDatabase
let directory: string

beforeEach(async () => {
  db = await testDatabase({ empty: true })
  directory = await mkdtemp(join(tmpdir(), 's4m-migrations-'))
  await cp(await migrationsDir(), directory, { recursive: true })
})

afterEach(async () => {
  await db.drop()
  await rm(directory, { recursive: true, force: true })
})

const FIRST = '00000000000000_init'

async function add(name: string, sql: string): Promise<void> {
  await mkdir(join(directory, name))
  await writeFile(join(directory, name, 'migration.sql'), sql)
}

function history(): Promise<Record<string, unknown>[]> {
  return db.query(
    `select migration_name as name, checksum, finished_at is not null as finished, applied_steps_count as steps,
            rolled_back_at, logs, id ~ '^[0-9a-f-]{36}$' as id
       from _prisma_migrations order by migration_name`,
  )
}

test('applies what is missing, once, and records the checksum of the file', async () => {
  expect(await migrate(db.pool, directory)).toEqual({ applied: [FIRST], unknown: [] })
  expect(await migrate(db.pool, directory)).toEqual({ applied: [], unknown: [] })
  await add('20990101000000_more', 'ALTER TABLE "todos" ADD COLUMN "more" TEXT;')
  expect(await migrate(db.pool, directory)).toEqual({ applied: ['20990101000000_more'], unknown: [] })
  const checksum = createHash('sha256')
    .update(await readFile(join(directory, FIRST, 'migration.sql')))
    .digest('hex')
  const rows = await history()
  expect(rows).toHaveLength(2)
  expect(rows[0]).toEqual({
    ...{ name: FIRST, checksum, finished: true, steps: 1, rolled_back_at: null, logs: null, id: true },
  })
})

test('concurrent starts apply each file once', async () => {
  const results = await Promise.all(Array.from({ length: 4 }, () => migrate(db.pool, directory)))
  expect(results.flatMap((result) => result.applied)).toEqual([FIRST])
  expect(await history()).toHaveLength(1)
})

test('a file that fails leaves nothing of itself, and the next start tries again', async () => {
  await add('20990101000000_bad', 'CREATE TABLE "half" ("id" TEXT); SELECT 1/0;')
  await expect(migrate(db.pool, directory)).rejects.toThrow(/division by zero/)
  expect(await history()).toHaveLength(1)
  expect(await db.query(`select to_regclass('half') as half`)).toEqual([{ half: null }])
  await writeFile(join(directory, '20990101000000_bad', 'migration.sql'), 'CREATE TABLE "half" ("id" TEXT);')
  expect((await migrate(db.pool, directory)).applied).toEqual(['20990101000000_bad'])
})

test('an applied file that was edited is refused before anything is applied', async () => {
  await migrate(db.pool, directory)
  await appendFile(join(directory, FIRST, 'migration.sql'), '\n-- edited')
  await add('20990101000000_more', 'CREATE TABLE "more" ("id" TEXT);')
  await expect(migrate(db.pool, directory)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await db.query(`select to_regclass('more') as more`)).toEqual([{ more: null }])
})

test('what a newer version applied is named and left alone', async () => {
  await add('20990101000000_newer', 'CREATE TABLE "newer" ("id" TEXT);')
  await migrate(db.pool, directory)
  await rm(join(directory, '20990101000000_newer'), { recursive: true })
  expect(await migrate(db.pool, directory)).toEqual({ applied: [], unknown: ['20990101000000_newer'] })
})

test('a migration that Prisma left half done is refused; one that was rolled back is applied again', async () => {
  await migrate(db.pool, directory)
  await add('20990101000000_more', 'CREATE TABLE "more" ("id" TEXT);')
  await db.query(
    `insert into _prisma_migrations (id, checksum, migration_name) values ('x', 'y', '20990101000000_more')`,
  )
  await expect(migrate(db.pool, directory)).rejects.toMatchObject({
    ...{ code: 'CONFLICT', remedy: expect.stringMatching(/migrate resolve/) },
  })
  await db.query(`update _prisma_migrations set rolled_back_at = now() where id = 'x'`)
  expect((await migrate(db.pool, directory)).applied).toEqual(['20990101000000_more'])
})

test("through the core pool it outlives that pool's deadlines and leaves no setting behind", async () => {
  await add('20990101000000_slow', 'SELECT pg_sleep(4.5);')
  const pools = new Pools({ url: parseDatabaseUrl(db.url), logger: silentLogger })
  try {
    expect((await migrate(pools.core, directory)).applied).toHaveLength(2)
    const { rows } = await pools.core.query(`select current_setting('statement_timeout') as timeout`)
    expect(rows).toEqual([{ timeout: '2s' }])
  } finally {
    await pools.end()
  }
})

test('the migrations are found from sources and from an installed package', async () => {
  const root = await mkdtemp(join(tmpdir(), 's4m-package-'))
  try {
    const installed = join(root, 'node_modules', 'scrum4me-daemon')
    await mkdir(join(installed, 'dist', 'daemon', 'db'), { recursive: true })
    await cp(await migrationsDir(), join(installed, 'prisma', 'migrations'), { recursive: true })
    const found = await migrationsDir(join(installed, 'dist', 'daemon', 'db'))
    expect(found).toBe(join(installed, 'prisma', 'migrations'))
    await expect(migrationsDir(root)).rejects.toThrow(/missing from this installation/)
  } finally {
    await rm(root, { recursive: true, force: true })
  }
})

import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { dumpDatabase } from '../../daemon/db/dump.ts'
import { dumpSql } from '../../daemon/db/dump-sql.ts'
import { migrate } from '../../daemon/db/migrate.ts'
import { Pools } from '../../daemon/db/pools.ts'
import { checkSchema } from '../../daemon/db/schema-check.ts'
import { silentLogger } from '../../daemon/logger.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'

let db: TestDatabase
let copy: TestDatabase
let directory: string

beforeEach(async () => {
  db = await testDatabase({ empty: true })
  await migrate(db.pool)
  copy = await testDatabase({ empty: true })
  directory = await mkdtemp(join(tmpdir(), 's4m-dump-'))
})

afterEach(async () => {
  await db.drop()
  await copy.drop()
  await rm(directory, { recursive: true, force: true })
})

/** Every row of every table, as JSON, in an order of its own. */
async function contentOf(database: TestDatabase): Promise<Record<string, string[]>> {
  const tables = await database.query<{ name: string }>(
    `select quote_ident(relname) as name from pg_class
      where relnamespace = 'public'::regnamespace and relkind = 'r' order by 1`,
  )
  const content: Record<string, string[]> = {}
  for (const { name } of tables) {
    const rows = await database.query<{ row: string }>(
      `select to_jsonb(t)::text as row from ${name} t order by 1`,
    )
    content[name] = rows.map(({ row }) => row)
  }
  return content
}

async function dumpText(database: TestDatabase): Promise<string> {
  const client = await database.pool.connect()
  try {
    const pieces: string[] = []
    for await (const piece of dumpSql(client, 'a dump')) pieces.push(piece)
    return pieces.join('')
  } finally {
    client.release(true)
  }
}

test('loaded into an empty database it is the same database, migrations included', async () => {
  const nasty = `it's "quoted" \\ back\\nslash; -- $$ $1 %s\r\n\ttab ü 🚀 \u0001 ${'x'.repeat(100_000)}`
  const token = await seed.token(db, { revoked_at: new Date('2026-01-02T03:04:05.678Z') })
  const product = await seed.product(db, { user_id: token.user_id, name: nasty.slice(0, 60), archived: true })
  const story = await seed.story(db, { product_id: product.id, description: nasty, sort_order: 0.1 + 0.2 })
  await seed.job(db, { task_id: null, product_id: product.id, plan_snapshot: '' })
  await db.query(
    `insert into story_logs (id, story_id, type, content, metadata) values ('l', $1, 'COMMIT', 'c', $2)`,
    [story.id, JSON.stringify({ a: [1, null, nasty.slice(0, 30).replace('\u0001', '')], "it's": '\\' })],
  )
  for (let n = 0; n < 250; n += 1) await seed.pbi(db, { product_id: product.id, title: `n ${n}` })
  const file = join(directory, 'dump.sql')
  const bytes = await dumpDatabase(db.pool, file)
  expect((await stat(file)).size).toBe(bytes)
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await copy.query(await readFile(file, 'utf8'))
  expect(await contentOf(copy)).toEqual(await contentOf(db))
  expect(await dumpText(copy)).toBe(await dumpText(db))
  expect(await checkSchema(copy.pool)).toMatchObject({ blocking: null, sql: [] })
  expect(await migrate(copy.pool)).toEqual({ applied: [], unknown: [] })
})

test('what somebody added is kept: columns, tables, generated columns, keys, strange names', async () => {
  await db.query(`
    create table "My Table" ("select" int primary key, "a b" text default 'x''y', twice int generated always as ("select" * 2) stored);
    create unique index odd on "My Table" (lower("a b")) where "select" > 1;
    create table child ("parent" text references "users" (username), check ("parent" <> ''));
    alter table todos add column extra text[] not null default '{a,b}';
    insert into "My Table" ("select") values (1), (2);
    create table no_columns ();`)
  await copy.query(await dumpText(db))
  expect(await contentOf(copy)).toEqual(await contentOf(db))
  expect(await dumpText(copy)).toBe(await dumpText(db))
})

test('what it has no words for is said in the dump', async () => {
  await db.query('create view everybody as select * from users; create sequence numbers')
  const text = await dumpText(db)
  expect(text).toMatch(/^-- Left out: sequence public\.numbers$/m)
  expect(text).toMatch(/^-- Left out: view public\.everybody$/m)
})

test('it shows one moment, whatever is written meanwhile', async () => {
  const user = await seed.user(db)
  const client = await db.pool.connect()
  try {
    const pieces: string[] = []
    for await (const piece of dumpSql(client, 'x')) {
      if (pieces.length === 3) await db.query('delete from users')
      pieces.push(piece)
    }
    expect(pieces.join('')).toContain(user.username)
  } finally {
    client.release(true)
  }
})

test("through a pool of the daemon's it takes one connection and gives it up", async () => {
  const pools = new Pools({ url: parseDatabaseUrl(db.url), logger: silentLogger })
  try {
    await dumpDatabase(pools.backlog, join(directory, 'dump.sql'))
    const { rows } = await pools.backlog.query(`select current_setting('statement_timeout') as timeout`)
    expect(rows).toEqual([{ timeout: '8s' }])
  } finally {
    await pools.end()
  }
})

test('a directory that is not there is said so; a dump that fails leaves no file', async () => {
  await expect(dumpDatabase(db.pool, join(directory, 'missing', 'x.sql'))).rejects.toMatchObject({
    code: 'VALIDATION_ERROR',
  })
  const broken = { connect: () => Promise.reject(new Error('no database')) }
  await expect(dumpDatabase(broken, join(directory, 'x.sql'))).rejects.toThrow('no database')
  expect(await readdir(directory)).toEqual([])
})

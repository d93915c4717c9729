import { afterEach, beforeEach, expect, test } from 'vitest'
import { isConnectionFailure, readDatabaseError } from '../../daemon/db/database-error.ts'
import { parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { Pools } from '../../daemon/db/pools.ts'
import { LazyPrisma } from '../../daemon/db/prisma.ts'
import { silentLogger } from '../../daemon/logger.ts'
import { pretendPooler } from '../support/pooler.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { startProxy, type TestProxy } from '../support/proxy.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'

let db: TestDatabase
const closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  db = await testDatabase()
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await db.drop()
})

function makePools(url = db.url): Pools {
  const pools = new Pools({ url: parseDatabaseUrl(url), logger: silentLogger, hostname: 'böx' })
  closing.push(() => pools.end())
  return pools
}

async function makeProxy(): Promise<TestProxy> {
  const proxy = await startProxy(db.socketDir)
  closing.push(() => proxy.close())
  return proxy
}

function connections(): Promise<{ application_name: string }[]> {
  return db.query(
    `select application_name from pg_stat_activity where datname = $1 and application_name like 'scrum4me%'`,
    [db.name],
  )
}

test('however much is asked at once, three connections under our name', async () => {
  const pools = makePools()
  const prisma = new LazyPrisma(pools)
  const client = await prisma.get()
  const slow = 'select pg_sleep(0.05)::text'
  await Promise.all([
    ...Array.from({ length: 8 }, () => pools.core.query(slow)),
    ...Array.from({ length: 8 }, () => pools.backlog.query(slow)),
    ...Array.from({ length: 8 }, () => client.$queryRawUnsafe(slow)),
    expect.poll(async () => (await connections()).length).toBe(3),
  ])
  expect(await connections()).toEqual(Array(3).fill({ application_name: 'scrum4me-daemon/b?x' }))
  await prisma.close()
  expect((await pools.backlog.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('a busy backlog does not delay the core', async () => {
  const pools = makePools()
  const busy = Array.from({ length: 4 }, () => pools.backlog.query('select pg_sleep(0.4)'))
  let core = 0
  const beats = (async () => {
    for (; core < 5; core += 1) await pools.core.query('select 1')
  })()
  await Promise.race([beats, ...busy])
  expect(core).toBe(5)
  await Promise.all(busy)
})

test('paused, nothing is open; the next query opens again', async () => {
  const pools = makePools()
  await Promise.all([pools.core.query('select 1'), pools.backlog.query('select 1')])
  expect(await connections()).toHaveLength(2)
  await pools.pause()
  await until('no connection is open', async () => (await connections()).length === 0)
  expect((await pools.core.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('sessions run in UTC with a time limit, and times without zone are read as UTC', async () => {
  await db.query(`alter database ${db.name} set timezone = 'Asia/Tokyo'`)
  const pools = makePools()
  const { rows } = await pools.core.query(
    `select current_setting('TimeZone') as zone, current_setting('statement_timeout') as timeout,
            timestamp '2026-01-02 03:04:05.678' as at, null::timestamp as none`,
  )
  const at = new Date('2026-01-02T03:04:05.678Z')
  expect(rows).toEqual([{ zone: 'UTC', timeout: '2s', at, none: null }])
  expect(pools.direct).toBe(true)
})

test('raw SQL and Prisma read the same times', async () => {
  const pools = makePools()
  const user = await seed.user(pools.core)
  const client = await new LazyPrisma(pools).get()
  const raw = await pools.core.query('select created_at from users where id = $1', [user.id])
  const row = await client.user.findUniqueOrThrow({ where: { id: user.id } })
  expect(row.created_at).toEqual(raw.rows[0].created_at)
  expect(Math.abs(row.created_at.getTime() - Date.now())).toBeLessThan(60_000)
})

test('a statement without end is cancelled by the server, and the pool goes on', async () => {
  const pools = makePools()
  const error = await pools.core.query('select pg_sleep(30)').catch((thrown: unknown) => thrown)
  expect(readDatabaseError(error)).toMatchObject({ meaning: 'busy', sqlstate: '57014' })
  expect((await pools.core.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('a dead link is noticed by a deadline, and end() does not wait for it', async () => {
  const proxy = await makeProxy()
  const pools = makePools(proxy.url(db.url))
  await pools.core.query('select 1')
  await pools.backlog.query('select 1')
  await proxy.setMode('blackhole')
  const started = performance.now()
  const error = await pools.core.query('select 1').catch((thrown: unknown) => thrown)
  expect(isConnectionFailure(error)).toBe(true)
  expect(performance.now() - started).toBeLessThan(8_000)
  const ending = performance.now()
  await pools.end(100)
  expect(performance.now() - ending).toBeLessThan(3_000)
})

test('connections that were reset while idle are replaced without anybody noticing', async () => {
  const proxy = await makeProxy()
  const pools = makePools(proxy.url(db.url))
  await pools.core.query('select 1')
  proxy.reset()
  await until('the pool has noticed', () => pools.core.totalCount === 0)
  expect((await pools.core.query('select 1 as one')).rows).toEqual([{ one: 1 }])
})

test('behind a pooler nothing is set and nothing is prepared', async () => {
  const proxy = await startProxy(db.socketDir, pretendPooler)
  closing.push(() => proxy.close())
  const pools = makePools(proxy.url(db.url))
  const client = await new LazyPrisma(pools).get()
  await client.user.count()
  await client.user.count()
  const prepared = await pools.backlog.query('select count(*)::int as n from pg_prepared_statements')
  expect(prepared.rows).toEqual([{ n: 0 }])
  expect(pools.direct).toBe(false)
  const { rows } = await pools.backlog.query(`select current_setting('statement_timeout') as timeout`)
  expect(rows).toEqual([{ timeout: '0' }])
})

test('a direct connection prepares what Prisma asks more than once', async () => {
  const pools = makePools()
  const client = await new LazyPrisma(pools).get()
  await client.user.count()
  await client.user.count()
  const { rows } = await pools.backlog.query(
    `select count(*)::int as n from pg_prepared_statements where statement like '%users%'`,
  )
  expect(rows).toEqual([{ n: 1 }])
})

test('times are read and written alike, however the database is set to print them', async () => {
  await db.query(`alter database ${db.name} set DateStyle = 'SQL, DMY'`)
  const time = '2026-02-01 03:04:05.678'
  const { rows } = await makePools().core.query(
    'select t, t::text as text from (select $1::timestamp(3) as t) s',
    [time],
  )
  expect(rows).toEqual([{ t: new Date('2026-02-01T03:04:05.678Z'), text: time }])
})

test('a stricter isolation that the database is set to does not make claims fail for each other', async () => {
  await db.query(`alter database ${db.name} set default_transaction_isolation = 'serializable'`)
  const { rows } = await makePools().core.query('show transaction_isolation')
  expect(rows).toEqual([{ transaction_isolation: 'read committed' }])
})

import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  isConnectionFailure,
  isTransient,
  readDatabaseError,
  toDatabaseError,
} from '../../daemon/db/database-error.ts'
import { parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { Pools } from '../../daemon/db/pools.ts'
import { LazyPrisma } from '../../daemon/db/prisma.ts'
import { silentLogger } from '../../daemon/logger.ts'
import { startPostgres, type TestDatabase, testDatabase } from '../support/postgres.ts'
import { startProxy } from '../support/proxy.ts'
import { seed } from '../support/seed.ts'
import type { TestServer } from '../support/test-server.ts'
import { until } from '../support/until.ts'

let db: TestDatabase
let pools: Pools
let prisma: LazyPrisma

beforeAll(async () => {
  db = await testDatabase()
  pools = new Pools({ url: parseDatabaseUrl(db.url), logger: silentLogger })
  prisma = new LazyPrisma(pools)
})

afterAll(async () => {
  await prisma.close()
  await pools.end()
  await db.drop()
})

/** What `action` throws; a test must not pass because nothing was thrown. */
async function failureOf(action: () => Promise<unknown>): Promise<unknown> {
  try {
    await action()
  } catch (error) {
    return error
  }
  throw new Error('nothing was thrown')
}

describe('errors that PostgreSQL raised', () => {
  test('unique violations, by pg, a Prisma model and Prisma raw', async () => {
    const pbi = await seed.pbi(db)
    const client = await prisma.get()
    const again = { product_id: pbi.product_id, code: pbi.code, title: 'x', priority: 1, sort_order: 1 }
    const sql = `insert into pbis (id, product_id, code, title, priority, sort_order, updated_at)
                 values ('x', '${pbi.product_id}', '${pbi.code}', 'x', 1, 1, now())`
    const thrown = [
      await failureOf(() => db.query(sql)),
      await failureOf(() => client.pbi.create({ data: again })),
      await failureOf(() => client.$executeRawUnsafe(sql)),
      await failureOf(() => client.$transaction((tx) => tx.pbi.create({ data: again }))),
    ]
    for (const error of thrown) {
      expect(readDatabaseError(error)).toMatchObject({ meaning: 'unique', sqlstate: '23505' })
      expect(isTransient(error)).toBe(false)
      expect(toDatabaseError(error)?.code).toBe('CONFLICT')
    }
  })

  test('serialization failures inside a transaction and at its end', async () => {
    const client = await prisma.get()
    const user = await seed.user(db)
    const inside = await failureOf(() =>
      client.$transaction(
        async (tx) => {
          await tx.user.findFirst({ where: { id: user.id } })
          await db.query(`update users set email = 'a@b' where id = $1`, [user.id])
          await tx.user.update({ where: { id: user.id }, data: { email: 'c@d' } })
        },
        { isolationLevel: 'Serializable' },
      ),
    )
    // Write skew: each transaction reads what the other writes, so the second fails when it commits.
    const isolationLevel = 'Serializable'
    const add = (name: string) => ({ data: { name, definition_of_done: 'x', user_id: user.id } })
    const atCommit = await failureOf(() =>
      client.$transaction(
        async (tx) => {
          await tx.product.count()
          await tx.product.create(add('one'))
          const other = async (second: Pick<typeof tx, 'product'>) => {
            await second.product.count()
            await second.product.create(add('two'))
          }
          await client.$transaction(other, { isolationLevel })
        },
        { isolationLevel },
      ),
    )
    for (const error of [inside, atCommit]) {
      expect(readDatabaseError(error)?.sqlstate).toBe('40001')
      expect(readDatabaseError(error)?.meaning).toBe('conflict')
      expect(isTransient(error)).toBe(true)
      expect(isConnectionFailure(error)).toBe(false)
    }
  })

  test('a deadlock is a conflict', async () => {
    const [one, two] = [await seed.user(db), await seed.user(db)]
    const lock = async (first: string, second: string, met: () => Promise<void>) => {
      const client = await db.pool.connect()
      try {
        await client.query('begin')
        await client.query('select from users where id = $1 for update', [first])
        await met()
        await client.query('select from users where id = $1 for update', [second])
      } finally {
        await client.query('rollback').catch(() => undefined)
        client.release()
      }
    }
    let waiting = 0
    let both: () => void = () => undefined
    const barrier = new Promise<void>((resolve) => {
      both = resolve
    })
    const meet = () => {
      waiting += 1
      if (waiting === 2) both()
      return barrier
    }
    const results = await Promise.allSettled([lock(one.id, two.id, meet), lock(two.id, one.id, meet)])
    const [lost] = results.filter((result) => result.status === 'rejected')
    expect(readDatabaseError(lost?.reason)?.meaning).toBe('conflict')
  })

  test.each([
    ['select * from missing', 'schema', 'DATABASE_UNAVAILABLE'],
    ['select missing from users', 'schema', 'DATABASE_UNAVAILABLE'],
    [`select 'x'::missing_type`, 'schema', 'DATABASE_UNAVAILABLE'],
    [`insert into user_roles values ('r', 'nobody', 'DEVELOPER')`, 'reference', 'INTERNAL'],
    [`insert into users (id) values ('x')`, 'invalid', 'INTERNAL'],
    [`select 'x'::int`, 'invalid', 'INTERNAL'],
    [`set local statement_timeout = 20; select pg_sleep(5)`, 'busy', 'DATABASE_UNAVAILABLE'],
    [`set transaction read only; delete from users`, 'readonly', 'DATABASE_UNAVAILABLE'],
    ['select pg_terminate_backend(pg_backend_pid())', 'unreachable', 'DATABASE_UNAVAILABLE'],
  ])('%s: %s', async (sql, meaning, code) => {
    const error = await failureOf(() => db.query(sql))
    expect(readDatabaseError(error)?.meaning).toBe(meaning)
    expect(toDatabaseError(error)?.code).toBe(code)
    expect(isConnectionFailure(error)).toBe(meaning === 'unreachable' || meaning === 'readonly')
  })

  test('the same through Prisma', async () => {
    const client = await prisma.get()
    const meaning = async (sql: string) =>
      readDatabaseError(await failureOf(() => client.$queryRawUnsafe(sql)))?.meaning
    expect(await meaning('select * from missing')).toBe('schema')
    expect(await meaning('select pg_terminate_backend(pg_backend_pid())')).toBe('unreachable')
    expect(await meaning(`select 'x'::int`)).toBe('invalid')
  })
})

test('what is no error of a database is left alone', () => {
  for (const other of [
    new Error('x'),
    'x',
    undefined,
    null,
    { code: 'ENOENT', message: 'no file' },
    { code: 'P9' },
  ])
    expect(readDatabaseError(other)).toBeUndefined()
  const file = Object.assign(new Error('open'), { code: 'ENOENT', syscall: 'open' })
  expect(isConnectionFailure(file)).toBe(false)
})

describe('a server that is not there', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.remove())

  const ask = (url: string) => async () => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 500, query_timeout: 500 })
    client.on('error', () => undefined)
    try {
      await client.connect()
      await client.query('select 1')
    } finally {
      await client.end().catch(() => undefined)
    }
  }
  /** Until the server runs this very statement, seen past the proxy. */
  async function untilRuns(statement: string): Promise<void> {
    const client = new pg.Client({ connectionString: server.url('postgres') })
    await client.connect()
    const look = `select from pg_stat_activity where query = $1 and state = 'active'`
    await until('it runs', async () => (await client.query(look, [statement])).rowCount === 1)
    await client.end()
  }
  const viaPrisma = (url: string) => async () => {
    const own = new Pools({ url: parseDatabaseUrl(url), logger: silentLogger })
    const lazy = new LazyPrisma(own)
    try {
      await (await lazy.get()).user.count()
    } finally {
      await lazy.close()
      await own.end()
    }
  }

  test('refused, reset, swallowed, stopped: unreachable for pg and Prisma', async () => {
    const proxy = await startProxy(server.socketDir)
    try {
      const url = proxy.url(server.url('postgres'))
      await ask(url)()
      await proxy.setMode('refuse')
      expect(isConnectionFailure(await failureOf(ask(url)))).toBe(true)
      expect(isConnectionFailure(await failureOf(viaPrisma(url)))).toBe(true)
      await proxy.setMode('blackhole')
      expect(isConnectionFailure(await failureOf(ask(url)))).toBe(true)
      await proxy.setMode('forward')
      const cutOff = (statement: string) => untilRuns(statement).then(() => proxy.reset())
      const broken = failureOf(async () => {
        const client = new pg.Client({ connectionString: url })
        client.on('error', () => undefined)
        await client.connect()
        const statement = 'select pg_sleep(20)'
        await Promise.all([client.query(statement), cutOff(statement)])
      })
      expect(isConnectionFailure(await broken)).toBe(true)
      const own = new Pools({ url: parseDatabaseUrl(url), logger: silentLogger })
      const lazy = new LazyPrisma(own)
      const client = await lazy.get()
      const lost = failureOf(async () => {
        const statement = 'select pg_sleep(21)::text'
        await Promise.all([client.$queryRawUnsafe(statement), cutOff(statement)])
      })
      expect(isConnectionFailure(await lost)).toBe(true)
      await own.end()
    } finally {
      await proxy.close()
    }
    await server.stop()
    const socket = server.url('postgres')
    expect(isConnectionFailure(await failureOf(ask(socket)))).toBe(true)
    expect(isConnectionFailure(await failureOf(viaPrisma(socket)))).toBe(true)
    await server.start()
  })

  test('a database or user that does not exist: refused', async () => {
    const error = await failureOf(ask(server.url('missing')))
    expect(readDatabaseError(error)?.meaning).toBe('refused')
    expect(toDatabaseError(error)?.remedy).toMatch(/DATABASE_URL/)
  })
})

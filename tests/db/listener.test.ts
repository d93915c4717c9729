import { once } from 'node:events'
import { createServer } from 'node:net'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Change } from '../../daemon/db/change.ts'
import { parseDatabaseUrl } from '../../daemon/db/database-url.ts'
import { Listener, type ListenerOptions } from '../../daemon/db/listener.ts'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { silentLogger } from '../../daemon/logger.ts'
import { pretendPooler } from '../support/pooler.ts'
import { startPostgres, type TestDatabase, testDatabase } from '../support/postgres.ts'
import { startProxy, type TestProxy } from '../support/proxy.ts'
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

function makeListener(url = db.url, options: Partial<ListenerOptions> = {}): Listener {
  const notify = (channel: string, payload: string) =>
    db.query('select pg_notify($1, $2)', [channel, payload])
  const listener = new Listener({ url: parseDatabaseUrl(url), notify, logger: silentLogger, ...options })
  closing.push(() => listener.stop())
  return listener
}

async function makeProxy(pooler = false): Promise<TestProxy> {
  const proxy = await startProxy(db.socketDir, pooler ? pretendPooler : undefined)
  closing.push(() => proxy.close())
  return proxy
}

async function send(payload: string): Promise<void> {
  await db.query(`select pg_notify('scrum4me_changes', $1)`, [payload])
}

function listening(listener: Listener): Promise<unknown> {
  return until('the listener listens', () => listener.state === 'listening')
}

/** Backends of this database that listen, as the server sees them. */
function listenConnections(): Promise<unknown[]> {
  return db.query(
    `select pid from pg_stat_activity
      where datname = $1 and application_name like 'scrum4me-daemon/%'`,
    [db.name],
  )
}

test('every well-formed change reaches every subscriber, in order, whatever else is sent', async () => {
  const listener = makeListener()
  const [one, two]: [Change[], Change[]] = [[], []]
  listener.subscribe((change) => one.push(change))
  listener.subscribe(() => {
    throw new Error('a bad subscriber')
  })
  const unsubscribe = listener.subscribe((change) => two.push(change))
  await listener.start()
  await listening(listener)
  for (const bad of ['', 'hello', '{', '[]', '[{}]', 'null', '7', '"type"', '{"a":1']) await send(bad)
  await send('{"type":"first","user_id":"u"}')
  await until('both heard it', () => one.length === 1 && two.length === 1)
  unsubscribe()
  await send('{"type":"second"}')
  await until('one heard the second', () => one.length === 2)
  expect(one).toEqual([{ type: 'first', user_id: 'u' }, { type: 'second' }])
  expect(two).toHaveLength(1)
})

test('it starts without a database, listens as soon as there is one, and stops in between', async () => {
  const proxy = await makeProxy()
  await proxy.setMode('refuse')
  const listener = makeListener(proxy.url(db.url))
  let reconnected = 0
  listener.onReconnect(() => {
    reconnected += 1
  })
  await listener.start()
  await until('it has tried', () => listener.reason !== undefined)
  expect(listener.state).toBe('reconnecting')
  await proxy.setMode('forward')
  await listening(listener)
  expect(reconnected).toBe(1)
  expect(listener.reason).toBeUndefined()
  await listener.stop()
  expect(listener.state).toBe('off')
  await until('no connection is left', async () => (await listenConnections()).length === 0)
  await listener.stop()
  await listener.start()
  await listening(listener)
  expect(reconnected).toBe(2)
})

test('stop does not wait for a database that is still being started', async () => {
  const listener = makeListener(db.url, { beforeConnect: () => new Promise(() => undefined) })
  await listener.start()
  await listener.stop()
  expect(listener.state).toBe('off')
})

test('a lost connection is made again, and subscribers are told to look', async () => {
  const listener = makeListener()
  const heard: Change[] = []
  let reconnected = 0
  listener.subscribe((change) => heard.push(change))
  listener.onReconnect(() => {
    reconnected += 1
  })
  await listener.start()
  await listening(listener)
  await db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = $1 and application_name like 'scrum4me-daemon/%'`,
    [db.name],
  )
  await until('it listens again', () => reconnected === 2)
  await send('{"type":"after"}')
  await until('it hears again', () => heard.length === 1)
  expect(await listenConnections()).toHaveLength(1)
})

test('a half-open link is found by the test and replaced', async () => {
  const proxy = await makeProxy()
  const listener = makeListener(proxy.url(db.url), { testEveryMs: 200, answerMs: 400 })
  await listener.start()
  await listening(listener)
  await proxy.setMode('blackhole')
  await until('the dead link is noticed', () => listener.state === 'reconnecting', 5_000)
  await proxy.setMode('forward')
  await listening(listener)
})

test.runIf(process.env.SCRUM4ME_TEST_LONG)(
  'with the shipped intervals a dead link is found within 30 s',
  async () => {
    const proxy = await makeProxy()
    const listener = makeListener(proxy.url(db.url))
    await listener.start()
    await listening(listener)
    await proxy.setMode('blackhole')
    await until('the dead link is noticed', () => listener.state === 'reconnecting', 30_000)
  },
)

test('a transaction pooler is recognised and named; the state is polling until it is gone', async () => {
  const proxy = await makeProxy(true)
  const listener = makeListener(proxy.url(db.url), { answerMs: 500, pollingRetryMs: 300 })
  await listener.start()
  await until('polling', () => listener.state === 'polling')
  expect(listener.reason).toMatch(/transaction pooler.*DIRECT_DATABASE_URL/)
  expect(await listenConnections()).toHaveLength(0)
})

test('through a proxy with a key of its own but honest notifications it listens', async () => {
  // A session pooler: everything arrives, only the cancellation key differs.
  const proxy = await startProxy(db.socketDir, (chunk) => {
    const at = chunk.indexOf(Buffer.from([0x4b, 0, 0, 0, 12]))
    if (at < 0) return chunk
    const changed = Buffer.from(chunk)
    changed.writeUInt32BE(4_000_000_000, at + 5)
    return changed
  })
  closing.push(() => proxy.close())
  let notified = 0
  const notify = async (channel: string, payload: string) => {
    notified += 1
    await db.query('select pg_notify($1, $2)', [channel, payload])
  }
  const listener = makeListener(proxy.url(db.url), { notify })
  await listener.start()
  await listening(listener)
  expect(notified).toBe(1)
})

test('an idle listener asks the database at most 6 times a minute, a busy channel never', async () => {
  const testEveryMs = 500
  const listener = makeListener(db.url, { testEveryMs })
  await listener.start()
  await listening(listener)
  const heard: number[] = []
  listener.subscribe(() => heard.push(performance.now()))
  const statements = async () => {
    const [row] = await db.query<{ query_start: Date }>(
      `select query_start from pg_stat_activity
        where datname = $1 and application_name like 'scrum4me-daemon/%'`,
      [db.name],
    )
    return row?.query_start.getTime()
  }
  const before = await statements()
  // Busy for four intervals: no statement of its own.
  const end = performance.now() + 4 * testEveryMs
  while (performance.now() < end) await send('{"type":"noise"}')
  const asked = (await statements()) !== before
  // A machine that stood still for an interval made a silence, and in it a test is right.
  const longestSilence = Math.max(...heard.map((at, index) => at - (heard[index - 1] ?? at)))
  expect({ asked, wasSilent: longestSilence >= testEveryMs }).not.toEqual({ asked: true, wasSilent: false })
  await until('it tests itself when the channel is silent', async () => (await statements()) !== before)
})

test('a server that is killed and comes back is listened to again', async () => {
  const server = await startPostgres()
  closing.push(() => server.remove())
  const url = server.url('postgres')
  let starts = 0
  const beforeConnect = async () => {
    starts += 1
  }
  const listener = makeListener(url, { beforeConnect })
  await listener.start()
  await listening(listener)
  await server.kill()
  await until('the loss is noticed', () => listener.state === 'reconnecting')
  await until('it tries again', () => starts > 2)
  await server.start()
  await listening(listener)
})

test('stopping ends a connection that is still being made', async () => {
  // Takes the connection, and never says a word.
  const silent = createServer().listen(0, '127.0.0.1')
  closing.push(async () => silent.close())
  await once(silent, 'listening')
  const address = silent.address()
  const port = typeof address === 'object' ? address?.port : undefined
  const listener = makeListener(`postgresql://person:secret@127.0.0.1:${port}/scrum`)
  const connected = once(silent, 'connection')
  await listener.start()
  await connected
  await listener.stop()
  expect(listener.state).toBe('off')
})

test('a database that ends idle sessions leaves the listener its own', async () => {
  await db.query(`alter database ${db.name} set idle_session_timeout = 200`)
  const listener = makeListener()
  let begun = 0
  listener.onReconnect(() => {
    begun += 1
  })
  await listener.start()
  await listening(listener)
  await delay(1_000)
  expect(begun).toBe(1)
})

test('a connection that is cut off again and again is not made again without pause', async () => {
  const listener = makeListener()
  let begun = 0
  listener.onReconnect(() => {
    begun += 1
    void db.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = $1 and application_name like 'scrum4me-daemon/%'`,
      [db.name],
    )
  })
  await listener.start()
  await delay(2_000)
  expect(begun).toBeGreaterThan(1)
  expect(begun).toBeLessThan(15)
})

import pg from 'pg'
import { afterEach, describe, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterEach(() => scenario.close())

/** Seconds since the workers' last beats, by the database's clock. */
async function ages(): Promise<number[]> {
  const rows = await scenario.db.query<{ age: string }>(
    `select extract(epoch from (now() at time zone 'utc') - last_seen_at) as age from claude_workers`,
  )
  return rows.map((row) => Number(row.age))
}

describe('presence', () => {
  it('is one row per machine, announced, renewed, and gone with its notification within a second of SIGTERM', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation()
    const heard: Record<string, unknown>[] = []
    const listener = new pg.Client({ connectionString: scenario.db.url })
    await listener.connect()
    try {
      listener.on('notification', (message) => heard.push(JSON.parse(message.payload ?? '{}')))
      await listener.query('listen scrum4me_changes')
      await machine.start()
      const [row] = await scenario.workers()
      expect(row).toMatchObject({ user_id: scenario.userId, product_id: null, pid: machine.daemon?.pid })
      const { token_id } = row ?? {}
      const connected = { type: 'worker_connected', user_id: scenario.userId, token_id, product_id: null }
      await until('worker_connected is heard', () => heard.some((one) => one.type === 'worker_connected'))
      expect(heard).toContainEqual(connected)

      const [first, second] = [await machine.agent(), await machine.agent()]
      await first.close()
      expect(await scenario.workers()).toHaveLength(1)
      await second.call('health')

      // Renewed: a later beat than the one seen, without any notification of its own.
      const seen = (worker: Record<string, unknown> | undefined) => Number(worker?.last_seen_at)
      await until('the next beat', async () => seen((await scenario.workers())[0]) > seen(row))
      const from = performance.now()
      const ended = machine.end('SIGTERM')
      await until('the row is gone', async () => (await scenario.workers()).length === 0, 5_000)
      await until(
        'worker_disconnected is heard',
        () => heard.some((one) => one.type === 'worker_disconnected'),
        5_000,
      )
      expect(performance.now() - from).toBeLessThan(1_000)
      expect(heard).toContainEqual({ type: 'worker_disconnected', user_id: scenario.userId, token_id })
      expect(heard.filter((one) => one.type === 'worker_connected')).toHaveLength(1)
      expect(await ended).toBe(0)
    } finally {
      await listener.end()
    }
  })

  it('two homes with one token are two workers', async () => {
    scenario = await Scenario.make()
    const one = await scenario.installation()
    const two = await scenario.installation({ token: one.env.SCRUM4ME_TOKEN ?? '' })
    await Promise.all([one.start(), two.start()])
    const workers = await scenario.workers()
    expect(workers).toHaveLength(2)
    expect(new Set(workers.map((worker) => worker.instance_id)).size).toBe(2)
    expect(new Set(workers.map((worker) => worker.token_id)).size).toBe(1)
  })

  it('after kill -9 readers see the machine offline in 20 s, and the next start takes the same row', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation()
    await machine.start()
    const [before] = await scenario.workers()
    await machine.end('SIGKILL')
    await until(
      'the last beat is older than 15 s',
      async () => (await ages()).every((age) => age > 15),
      20_000,
    )
    await machine.start()
    const [after] = await scenario.workers()
    expect(after?.id).toBe(before?.id)
    expect((await ages())[0]).toBeLessThan(15)
  })

  it('registers again when its row was deleted, and stops when its token is revoked, until it is valid again', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
    await machine.start()
    await scenario.db.query('delete from claude_workers')
    await until('it is back', async () => (await scenario.workers()).length === 1)

    await scenario.db.query('update api_tokens set revoked_at = now()')
    await until('it is off', async () => (await scenario.workers()).length === 0, 60_000)
    await until('status says so', async () => (await machine.status()).presence?.state === 'unauthorized')
    const status = await machine.status()
    expect(status.state).toBe('degraded')
    expect(status.problems.map((problem) => problem.code)).toContain('UNAUTHORIZED')
    const agent = await machine.agent()
    expect(await agent.fails('list_products')).toMatch(/^UNAUTHORIZED: /)
    expect(await agent.call('health')).toMatchObject({ database: 'ok' })

    await scenario.db.query('update api_tokens set revoked_at = null')
    await until('it is back by itself', async () => (await scenario.workers()).length === 1, 60_000)
    await until('all is well', async () => (await machine.status()).state === 'healthy')
  })

  it('rests without any connection while SCRUM4ME_PRESENCE=sessions and nobody is there', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_PRESENCE: 'sessions' } })
    await machine.start()
    const connections = async () =>
      (
        await scenario.db.query(
          `select 1 from pg_stat_activity where datname = current_database() and application_name like 'scrum4me-daemon/%'`,
        )
      ).length
    await until('no connection is open', async () => (await connections()) === 0)
    expect(await scenario.workers()).toHaveLength(0)
    const agent = await machine.agent()
    await until('present with a session', async () => (await scenario.workers()).length === 1)
    expect(await connections()).toBeLessThanOrEqual(4)
    await agent.close()
    await until('absent again', async () => (await scenario.workers()).length === 0)
    await until('no connection is open again', async () => (await connections()) === 0)
  })

  it('beats on while somebody keeps the rows of claimed jobs locked that their agents report', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
    const product = await scenario.product(machine)
    await machine.start()
    const agents = await Promise.all([1, 2, 3, 4].map(() => machine.agent()))
    const jobs: string[] = []
    for (const agent of agents) {
      jobs.push(await scenario.job(product.id))
      expect(await agent.call('wait_for_job', { wait_seconds: 20 })).toMatchObject({ job_id: jobs.at(-1) })
    }
    const editor = new pg.Client({ connectionString: scenario.db.url })
    await editor.connect()
    try {
      await editor.query('begin')
      await editor.query('select 1 from claude_jobs where id = any($1) for update', [jobs])
      const reports = agents.map((agent, n) =>
        agent.call('update_job_status', { job_id: jobs[n], status: 'skipped' }),
      )
      const end = performance.now() + 7_000
      let oldest = 0
      await until('seven seconds of it are over', async () => {
        oldest = Math.max(oldest, ...(await ages()))
        return performance.now() > end
      })
      expect(oldest).toBeLessThan(3)
      await editor.query('rollback')
      for (const report of await Promise.all(reports)) expect(report).toMatchObject({ status: 'skipped' })
      for (const id of jobs) expect(await scenario.jobRow(id)).toMatchObject({ status: 'SKIPPED' })
    } finally {
      await editor.end()
    }
  })

  it('says so itself when its row cannot be renewed, being locked, and readers see it offline', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
    await machine.start()
    const editor = new pg.Client({ connectionString: scenario.db.url })
    await editor.connect()
    try {
      await editor.query('begin')
      await editor.query('select 1 from claude_workers for update')
      await until('offline to readers', async () => (await ages()).every((age) => age > 15), 25_000)
      await until('it knows', async () => (await machine.status()).state === 'degraded', 5_000)
      expect((await machine.status()).problems.map(({ code }) => code)).toContain('HEARTBEAT_LATE')

      await machine.end('SIGKILL')
      await machine.start(['degraded'])
      expect(await machine.status()).toMatchObject({
        presence: { state: 'absent' },
        problems: [{ code: 'HEARTBEAT_LATE', message: expect.stringContaining('No heartbeat') }],
      })
    } finally {
      await editor.end()
    }
    await until('healthy again', async () => (await machine.status()).state === 'healthy')
  })
})

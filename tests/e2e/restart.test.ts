import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { git } from '../support/git.ts'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterEach(() => scenario.close())

describe('a daemon that dies', () => {
  it('kill -9 while 20 shims wait: all wait on and get their jobs from the next daemon', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
    const product = await scenario.product(machine)
    await machine.start()
    const agents = await Promise.all(Array.from({ length: 20 }, () => machine.agent()))
    const waits = agents.map((agent) => agent.call('wait_for_job', { wait_seconds: 120 }))
    const waiting = async () =>
      (await machine.status()).sessions.filter((one) => one.activity === 'waiting').length
    await until('all wait', async () => (await waiting()) === 20)
    await machine.end('SIGKILL')
    await machine.start()
    await until('all wait again', async () => (await waiting()) === 20)
    const jobs = await Promise.all(agents.map(() => scenario.job(product.id)))
    const answers = await Promise.all(waits)
    expect(new Set(answers.map((answer) => answer.job_id))).toEqual(new Set(jobs))
  })

  it('kill -9 and SIGTERM: a held job stays held by its session, with its lease renewed', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({
      env: { SCRUM4ME_HEARTBEAT_SECONDS: '1', SCRUM4ME_LEASE_SECONDS: '30' },
    })
    const product = await scenario.product(machine)
    await machine.start()
    const agent = await machine.agent()
    const job = await scenario.job(product.id)
    await agent.call('wait_for_job', { wait_seconds: 20 })
    const claimed = await scenario.jobRow(job)
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await machine.end(signal)
      await machine.start()
      const before = await scenario.jobRow(job)
      expect(before).toMatchObject({ status: 'CLAIMED', claimed_at: claimed.claimed_at, retry_count: 0 })
      await until(
        'the lease is renewed',
        async () => Number((await scenario.jobRow(job)).lease_until) > Number(before.lease_until),
      )
      expect(await agent.call('wait_for_job', { wait_seconds: 5 })).toMatchObject({
        job_id: job,
        resumed: true,
      })
    }
    const done = await agent.call('update_job_status', { job_id: job, status: 'done' })
    expect(done).toMatchObject({ delivered: true, status: 'done' })
  })

  it('`restart` drains first: calls in flight are answered, waits go on', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation()
    const product = await scenario.product(machine)
    await machine.cli('start')
    await until('it is healthy', async () => (await machine.status()).state === 'healthy', 30_000)
    const [waiter, caller] = [await machine.agent(), await machine.agent()]
    const waiting = waiter.call('wait_for_job', { wait_seconds: 120 })
    const before = (await machine.status()).daemon?.pid
    let calls = 0
    let running = true
    const calling = (async () => {
      for (; running; calls += 1) await caller.call('create_todo', { title: `todo ${calls}` })
    })()
    const restarted = await machine.cli('restart')
    expect(restarted).toMatchObject({ code: 0 })
    running = false
    await calling
    const after = await machine.status()
    expect(after.daemon?.pid).not.toBe(before)
    const rows = await scenario.db.query('select title from todos')
    expect(rows).toHaveLength(calls)
    const job = await scenario.job(product.id)
    expect(await waiting).toMatchObject({ status: 'claimed', job_id: job })
  })

  it('a claim that a crash left without a memory is given back at the next start', async () => {
    scenario = await Scenario.make()
    const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
    const product = await scenario.product(machine)
    await machine.start()
    const [worker] = await scenario.workers()
    const job = await scenario.job(product.id, { quiet: true })
    await scenario.db.query(
      `update claude_jobs set status = 'CLAIMED', claimed_by_token_id = $2, worker_instance_id = $3,
         claimed_at = now() at time zone 'utc', lease_until = now() at time zone 'utc' + interval '5 minutes' where id = $1`,
      [job, worker?.token_id, worker?.instance_id],
    )
    await until('it is queued again', async () => (await scenario.jobRow(job)).status === 'QUEUED')
    expect(await scenario.jobRow(job)).toMatchObject({ retry_count: 0, worker_instance_id: null })
  })
})

describe('leases', () => {
  it('an expired lease of a dead machine is taken back, at most twice, then the job fails with a reason', async () => {
    scenario = await Scenario.make()
    const env = { SCRUM4ME_HEARTBEAT_SECONDS: '1', SCRUM4ME_LEASE_SECONDS: '3' }
    const machine = await scenario.installation({ env })
    await scenario.product(machine)
    const product = await scenario.product(machine, { known: false })
    const jobs = [0, 1, 2].map(async (retries) =>
      scenario.job(product.id, {
        quiet: true,
        row: {
          status: 'RUNNING',
          retry_count: retries,
          worker_instance_id: 'a-machine-that-burnt-down',
          claimed_at: new Date(Date.now() - 60_000),
          lease_until: new Date(Date.now() - 50_000),
        },
      }),
    )
    const [first = '', second = '', third = ''] = await Promise.all(jobs)
    await machine.start()
    await until('all are taken back', async () => (await scenario.jobRow(third)).status === 'FAILED', 30_000)
    expect(await scenario.jobRow(first)).toMatchObject({
      status: 'QUEUED',
      retry_count: 1,
      lease_until: null,
    })
    expect(await scenario.jobRow(second)).toMatchObject({ status: 'QUEUED', retry_count: 2 })
    expect((await scenario.jobRow(third)).error).toMatch(/lease expired/)
  })

  it('a daemon that slept past its lease tells its session and never overwrites the new owner', async () => {
    scenario = await Scenario.make()
    const env = { SCRUM4ME_HEARTBEAT_SECONDS: '1', SCRUM4ME_LEASE_SECONDS: '3' }
    const sleeper = await scenario.installation({ env })
    const other = await scenario.installation({ env })
    const product = await scenario.product(sleeper)
    // A clone of its own, as elsewhere: one that is stopped while it makes a spare keeps its clone locked.
    await git(other.dir, 'clone', '-q', product.origin, 'theirs')
    await scenario.know(other, { [product.id]: join(other.dir, 'theirs') })
    await sleeper.start()
    const agent = await sleeper.agent()
    const job = await scenario.job(product.id)
    await agent.call('wait_for_job', { wait_seconds: 20 })
    await other.start()
    const heir = await other.agent()
    const waiting = heir.call('wait_for_job', { wait_seconds: 60 })
    sleeper.daemon?.kill('SIGSTOP')
    expect(await waiting).toMatchObject({ job_id: job, attempt: 2 })
    sleeper.daemon?.kill('SIGCONT')
    expect(await agent.fails('update_job_status', { job_id: job, status: 'done' })).toMatch(
      /^OWNERSHIP_LOST: /,
    )
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'CLAIMED', retry_count: 1 })
    expect(await heir.call('update_job_status', { job_id: job, status: 'done' })).toMatchObject({
      delivered: true,
    })
  })
})

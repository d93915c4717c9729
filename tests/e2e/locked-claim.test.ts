import { afterEach, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterEach(() => scenario.close())

it('a forgotten claim whose row somebody keeps locked holds up neither the poll nor a rescue', async () => {
  scenario = await Scenario.make()
  const machine = await scenario.installation({
    env: { SCRUM4ME_HEARTBEAT_SECONDS: '1', SCRUM4ME_LEASE_SECONDS: '3' },
  })
  const product = await scenario.product(machine)
  await machine.start()
  const [worker] = await scenario.workers()
  await machine.end()
  const claimed = async (instance: unknown, lease: string) => {
    const job = await scenario.job(product.id, { quiet: true })
    await scenario.db.query(
      `update claude_jobs set status = 'CLAIMED', claimed_by_token_id = $2, worker_instance_id = $3,
         claimed_at = now() at time zone 'utc', lease_until = now() at time zone 'utc' + $4::interval where id = $1`,
      [job, worker?.token_id, instance, lease],
    )
    return job
  }
  const forgotten = await claimed(worker?.instance_id, '1 hour')
  const dead = await claimed('a dead machine', '-1 minute')
  const editor = await scenario.db.pool.connect()
  try {
    await editor.query('begin')
    await editor.query('select 1 from claude_jobs where id = $1 for update', [forgotten])
    await machine.start()
    const agent = await machine.agent()
    const waiting = agent.call('wait_for_job', { wait_seconds: 120 })
    waiting.catch(() => undefined)
    await until('it waits', async () =>
      (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
    )
    const job = await scenario.job(product.id, { quiet: true, row: { created_at: new Date(1_000) } })
    await until('the poll finds it', async () => (await scenario.jobRow(job)).status === 'CLAIMED', 6_000)
    expect(await waiting).toMatchObject({ job_id: job })
    await until('the dead machine’s job is rescued', async () => {
      const { status, retry_count } = await scenario.jobRow(dead)
      return status === 'QUEUED' && retry_count === 1
    })
    expect(await scenario.jobRow(forgotten)).toMatchObject({ status: 'CLAIMED' })
  } finally {
    await editor.query('rollback')
    editor.release()
  }
  await until('given back', async () => (await scenario.jobRow(forgotten)).status === 'QUEUED')
})

it('a final report on a job whose row somebody keeps locked is answered in time, and delivered once', async () => {
  const atWork = await Scenario.atWork()
  const { product, agent, machine } = atWork
  scenario = atWork.scenario
  await scenario.job(product.id)
  const { job_id } = await agent.call('wait_for_job', { wait_seconds: 30 })
  const reporting = async (spooled: boolean) =>
    expect((await machine.status()).jobs).toMatchObject([
      { job_id, state: 'reporting', report_spooled: spooled },
    ])
  const editor = await scenario.db.pool.connect()
  try {
    await editor.query('begin')
    await editor.query('select 1 from claude_jobs where id = $1 for update', [job_id])
    const begun = performance.now()
    const reported = agent.call('update_job_status', { job_id, status: 'failed', error: 'no' })
    // On its way it is nothing that anybody need look at.
    await until('on its way', async () => (await machine.status()).jobs[0]?.state === 'reporting')
    expect(await machine.status()).toMatchObject({ state: 'healthy', problems: [] })
    await reporting(false)
    const report = await reported
    expect(report).toMatchObject({ delivered: false, worktree: 'kept' })
    // Ten seconds, and some for a machine that is busy; a second statement would end after sixteen.
    expect(performance.now() - begun).toBeLessThan(14_000)
    expect((await machine.status()).problems).toMatchObject([{ code: 'REPORT_SPOOLED' }])
    await reporting(true)
  } finally {
    await editor.query('rollback')
    editor.release()
  }
  await until('delivered', async () => (await scenario.jobRow(String(job_id))).status === 'FAILED', 30_000)
})

it('what keeps every job from being claimed is said by status and to whoever waits, and ends by itself', async () => {
  scenario = await Scenario.make()
  const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent()
  const editor = await scenario.db.pool.connect()
  const complaints = async () => (await machine.status()).problems
  try {
    const job = await scenario.job(product.id, { quiet: true })
    await editor.query('begin')
    await editor.query('select 1 from claude_jobs where id = $1 for update', [job])
    const message = expect.stringContaining(`job ${job} is queued`)
    expect(await agent.fails('wait_for_job', { wait_seconds: 6 })).toMatch(
      /^DATABASE_UNAVAILABLE: No job can/,
    )
    expect(await complaints()).toMatchObject([{ code: 'CLAIMS_FAILING', message }])
    await editor.query('rollback')

    // What heartbeats have no need of.
    await editor.query('alter table sprints rename to elsewhere')
    const waiting = agent.call('wait_for_job', { wait_seconds: 60 })
    await until('it says why', async () =>
      (await complaints()).some(({ message }) => message.includes('"sprints" does not exist')),
    )
    await editor.query('alter table elsewhere rename to sprints')
    expect(await waiting).toMatchObject({ job_id: job })
    expect(await complaints()).toEqual([])
  } finally {
    await editor.query('rollback')
    editor.release()
  }
})

it('a wait for a product whose table somebody keeps locked lasts no longer than it was asked to', async () => {
  const atWork = await Scenario.atWork()
  const { product, agent } = atWork
  scenario = atWork.scenario
  const editor = await scenario.db.pool.connect()
  try {
    await editor.query('begin; lock table products in access exclusive mode')
    const begun = performance.now()
    expect(await agent.call('wait_for_job', { product_id: product.id, wait_seconds: 1 })).toMatchObject({
      status: 'timeout',
    })
    // The statement itself is given up after eight.
    expect(performance.now() - begun).toBeLessThan(6_000)
  } finally {
    await editor.query('rollback')
    editor.release()
  }
})

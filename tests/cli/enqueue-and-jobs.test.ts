import pg from 'pg'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'

let scenario: Scenario
let machine: Installation
let productId: string

beforeAll(async () => {
  const running = await Scenario.running()
  scenario = running.scenario
  machine = running.machine
  productId = running.product.id
})
afterAll(() => scenario.close())

describe('enqueue', () => {
  test('by id and by code, once while a job is active', async () => {
    const task = await seed.task(scenario.db, { product_id: productId, code: 'T-901' })
    const queued = await machine.json('enqueue', 't-901')
    expect(queued).toMatchObject({ status: 'queued', task_id: task.id, product_id: productId, code: 'T-901' })
    expect(await scenario.jobRow(String(queued.job_id))).toMatchObject({
      status: 'QUEUED',
      user_id: scenario.userId,
      task_id: task.id,
      plan_snapshot: null,
    })
    const again = await machine.cli('enqueue', task.id)
    expect(again.code).toBe(1)
    expect(again.stderr).toContain('CONFLICT')
    expect(again.stderr).toContain(String(queued.job_id))
  })

  test('a code of two products asks for the id; another user’s task does not exist', async () => {
    const other = await seed.product(scenario.db, { user_id: scenario.userId })
    const one = await seed.task(scenario.db, { product_id: productId, code: 'T-902' })
    const two = await seed.task(scenario.db, { product_id: other.id, code: 'T-902' })
    const ambiguous = await machine.cli('enqueue', 'T-902')
    expect(ambiguous.code).toBe(1)
    expect(ambiguous.stderr).toContain(one.id)
    expect(ambiguous.stderr).toContain(two.id)
    const foreign = await seed.task(scenario.db, { code: 'T-903' })
    for (const name of [foreign.id, 'T-903', '../x', "'; drop table tasks; --"]) {
      const { code, stderr } = await machine.cli('enqueue', name)
      expect(code).toBe(1)
      expect(stderr).toBe(
        `NOT_FOUND: Task ${name} not found or not accessible. Check the id; nothing was changed.\n`,
      )
    }
  })
})

describe('jobs', () => {
  /** A connection that hears what is notified while `act` runs. */
  async function heard(act: () => Promise<unknown>): Promise<Record<string, unknown>[]> {
    const client = new pg.Client({ connectionString: scenario.db.url })
    const notes: Record<string, unknown>[] = []
    await client.connect()
    try {
      client.on('notification', ({ payload }) => notes.push(JSON.parse(payload ?? '{}')))
      await client.query('listen scrum4me_changes')
      await act()
      await client.query('select 1')
      return notes
    } finally {
      await client.end()
    }
  }

  test('cancel, then requeue, each notified; another user’s job does not exist', async () => {
    const id = await scenario.job(productId, { quiet: true, row: { retry_count: 2 } })
    const cancelled = await heard(() => machine.json('jobs', 'cancel', id))
    expect(await scenario.jobRow(id)).toMatchObject({ status: 'CANCELLED', finished_at: expect.any(Date) })
    expect(cancelled).toEqual([
      expect.objectContaining({ type: 'claude_job_status', job_id: id, status: 'CANCELLED' }),
    ])
    // Done already: the same answer, no second notification.
    expect(await heard(() => machine.json('jobs', 'cancel', id))).toEqual([])
    const requeued = await heard(() => machine.json('jobs', 'requeue', id))
    expect(await scenario.jobRow(id)).toMatchObject({ status: 'QUEUED', retry_count: 0, finished_at: null })
    expect(requeued).toContainEqual(expect.objectContaining({ type: 'claude_job_enqueued', job_id: id }))
    const foreign = await seed.job(scenario.db)
    for (const action of ['cancel', 'release', 'requeue']) {
      const { code, stderr } = await machine.cli('jobs', action, foreign.id)
      expect(code).toBe(1)
      expect(stderr).toMatch(/^NOT_FOUND: Job/)
    }
    for (const action of ['restore', 'drop']) {
      const { code, stderr } = await machine.cli('worktrees', action, '../x')
      expect(code).toBe(1)
      expect(stderr).toMatch(/^NOT_FOUND: Saved work of job \.\.\/x not found or not accessible\./)
    }
    await machine.json('jobs', 'cancel', id)
  })

  test('requeue refuses a second active job of the task, and what has not ended', async () => {
    const task = await seed.task(scenario.db, { product_id: productId })
    const failed = await scenario.job(productId, { quiet: true, row: { task_id: task.id, status: 'FAILED' } })
    const active = await scenario.job(productId, { quiet: true, row: { task_id: task.id } })
    const refused = await machine.cli('jobs', 'requeue', failed)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(active)
    expect(await scenario.jobRow(failed)).toMatchObject({ status: 'FAILED' })
    const done = await scenario.job(productId, { quiet: true, row: { status: 'DONE' } })
    expect((await machine.cli('jobs', 'requeue', done)).stderr).toMatch(/^CONFLICT/)
    expect((await machine.cli('jobs', 'cancel', done)).stderr).toMatch(/^JOB_TERMINAL/)
    // What it proposes can be typed as it stands and works: a job that is done is not requeued.
    expect((await machine.cli('jobs', 'release', done)).stderr).toContain('`scrum4me-daemon enqueue <task>')
    expect((await machine.cli('jobs', 'release', failed)).stderr).toContain(`jobs requeue ${failed} --home`)
    await machine.json('jobs', 'cancel', active)
  })

  test('release: another machine’s only when its lease is over', async () => {
    const token = await seed.token(scenario.db, { user_id: scenario.userId })
    const claim = (lease: string) =>
      scenario.job(productId, {
        quiet: true,
        row: {
          status: 'RUNNING',
          claimed_by_token_id: token.id,
          worker_instance_id: 'elsewhere',
          claimed_at: new Date(),
          lease_until: new Date(Date.parse(lease)),
          retry_count: 1,
        },
      })
    const live = await claim('2999-01-01T00:00:00Z')
    const refused = await machine.cli('jobs', 'release', live)
    expect(refused.stderr).toMatch(/^CONFLICT: .*another machine/)
    expect(await scenario.jobRow(live)).toMatchObject({ status: 'RUNNING', worker_instance_id: 'elsewhere' })
    await machine.json('jobs', 'cancel', live)
  })

  test('release of a job held here gives it back and its agent loses it', async () => {
    const agent = await machine.agent()
    await scenario.job(productId)
    const claimed = await agent.call('wait_for_job', { wait_seconds: 20 })
    const { jobs } = await machine.json<{ jobs: Record<string, unknown>[] }>('jobs')
    expect(jobs.find((job) => job.job_id === claimed.job_id)).toMatchObject({
      held_here: true,
      status: 'claimed',
    })
    await machine.json('jobs', 'release', String(claimed.job_id))
    expect(await scenario.jobRow(String(claimed.job_id))).toMatchObject({
      status: 'QUEUED',
      claimed_by_token_id: null,
      worker_instance_id: null,
    })
    // Released in the two seconds in which nothing has told yet that the answer was received: it may have been.
    expect(await agent.call('wait_for_job', { wait_seconds: 20 })).toMatchObject({
      ...{ job_id: claimed.job_id, worktree_path: claimed.worktree_path, resumed: true },
    })
    await machine.json('jobs', 'cancel', String(claimed.job_id))
    await agent.close()
  })
})

import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Agent } from '../support/agent.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let machine: Installation
let product: Product

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation({
    env: { SCRUM4ME_SESSION_GRACE_SECONDS: '4', SCRUM4ME_HEARTBEAT_SECONDS: '1' },
  })
  product = await scenario.product(machine)
  await machine.start()
})

afterAll(() => scenario.close())

async function claim(agent: Agent): Promise<string> {
  const job = await scenario.job(product.id)
  const answer = await agent.call('wait_for_job', { wait_seconds: 30 })
  expect(answer.job_id).toBe(job)
  return job
}

const skip = (agent: Agent, job: string) =>
  agent.call('update_job_status', { job_id: job, status: 'skipped' })

/** Until the daemon has noticed that a shim is gone. */
async function gone(agent: Agent): Promise<void> {
  const pid = agent.pid
  await agent.close()
  await until('the session is gone', async () => {
    const { sessions } = await machine.status()
    return !sessions.some((session) => session.pid === pid && session.connected)
  })
}

describe('sessions', () => {
  it('hold one job: asking again returns it, whatever the filter', async () => {
    const agent = await machine.agent()
    const job = await claim(agent)
    await scenario.job(product.id, { quiet: true })
    for (const args of [{ wait_seconds: 5 }, { wait_seconds: 5, product_id: 'another' }]) {
      expect(await agent.call('wait_for_job', args)).toMatchObject({
        job_id: job,
        resumed: true,
        warnings: [],
      })
    }
    await rm(join(machine.worktreeDir, job), { recursive: true })
    expect(await agent.call('wait_for_job', { wait_seconds: 5 })).toMatchObject({
      job_id: job,
      warnings: [expect.stringMatching(/is not there any more.*`scrum4me-daemon jobs release .* --home /)],
    })
    await skip(agent, job)
    const next = await agent.call('wait_for_job', { wait_seconds: 20 })
    await skip(agent, String(next.job_id))
    await agent.close()
  })

  it('a newer wait of a session replaces the older one', async () => {
    const agent = await machine.agent()
    const older = agent.call('wait_for_job', { wait_seconds: 60 })
    await until('it waits', async () =>
      (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
    )
    const newer = agent.call('wait_for_job', { wait_seconds: 60 })
    expect(await older).toMatchObject({ status: 'timeout' })
    const job = await scenario.job(product.id)
    expect(await newer).toMatchObject({ status: 'claimed', job_id: job })
    await skip(agent, job)
    await agent.close()
  })

  it('a respawned shim with the same session id gets its job again, and no answer of the old connection', async () => {
    const first = await machine.agent({ sessionId: 'conversation-1' })
    const job = await claim(first)
    await gone(first)
    // Request ids start at 0 again: the same ids on another connection are other calls.
    const second = await machine.agent({ sessionId: 'conversation-1' })
    expect(await second.call('wait_for_job', { wait_seconds: 10 })).toMatchObject({
      job_id: job,
      resumed: true,
    })
    await skip(second, job)
    await second.close()
  })

  it('another session of the same client process is given an orphaned job', async () => {
    const first = await machine.agent()
    const job = await claim(first)
    await writeFile(join(machine.worktreeDir, job, 'half-done.txt'), 'half\n')
    await gone(first)
    const second = await machine.agent()
    const answer = await second.call('wait_for_job', { wait_seconds: 10 })
    expect(answer).toMatchObject({ job_id: job, resumed: true })
    expect(await second.call('job_heartbeat', { job_id: job })).toMatchObject({ ok: true, job_id: job })
    const done = await second.call('update_job_status', { job_id: job, status: 'failed', error: 'stopped' })
    expect(done.salvage_ref).toContain(job)
    await second.close()
  })

  it('a report by a session that came back after the grace still counts while nobody else has the job', async () => {
    const first = await machine.agent({ sessionId: 'conversation-2' })
    const job = await claim(first)
    await gone(first)
    await until('it is released', async () => (await scenario.jobRow(job)).status === 'QUEUED', 20_000)
    expect(await scenario.jobRow(job)).toMatchObject({ claimed_at: null, lease_until: null, retry_count: 0 })
    const second = await machine.agent({ sessionId: 'conversation-2' })
    const done = await second.call('update_job_status', { job_id: job, status: 'done', summary: 'late' })
    expect(done).toMatchObject({ status: 'done', delivered: true })
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'DONE', summary: 'late' })
    await second.close()
  })

  it('a job released after the grace and claimed here again comes with its worktree; the late report is refused', async () => {
    const first = await machine.agent({ sessionId: 'conversation-3' })
    const job = await claim(first)
    await writeFile(join(machine.worktreeDir, job, 'half-done.txt'), 'half\n')
    await gone(first)
    await until('it is released', async () => (await scenario.jobRow(job)).status === 'QUEUED', 20_000)
    // And nobody takes it for one that is being worked in.
    const tree = await until('its worktree reads so', async () => {
      const entries = (await machine.status()).worktrees?.entries ?? []
      return entries.find(({ job_id, state }) => job_id === job && state === 'released')
    })
    expect(tree.reason).toContain('in the queue again')
    const other = await machine.agent({ sessionId: 'conversation-4' })
    const answer = await other.call('wait_for_job', { wait_seconds: 20 })
    expect(answer).toMatchObject({ job_id: job, resumed: true })
    const back = await machine.agent({ sessionId: 'conversation-3' })
    expect(await back.fails('update_job_status', { job_id: job, status: 'done' })).toMatch(
      /^OWNERSHIP_LOST: /,
    )
    await other.call('update_job_status', { job_id: job, status: 'failed' })
    await Promise.all([other.close(), back.close()])
  })

  it('a cancelled wait keeps no job: the next waiter has it', async () => {
    const agent = await machine.agent()
    const abort = new AbortController()
    const waiting = agent
      .call('wait_for_job', { wait_seconds: 60 }, { signal: abort.signal })
      .catch(() => undefined)
    await until('it waits', async () =>
      (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
    )
    abort.abort()
    await waiting
    const job = await scenario.job(product.id)
    const other = await machine.agent()
    expect(await other.call('wait_for_job', { wait_seconds: 20 })).toMatchObject({
      job_id: job,
      resumed: false,
    })
    await skip(other, job)
    await Promise.all([agent.close(), other.close()])
  })

  it('a job cancelled in the web app reaches its session as a log message and at the next call', async () => {
    const agent = await machine.agent()
    const logged: string[] = []
    const { LoggingMessageNotificationSchema } = await import('@modelcontextprotocol/sdk/types.js')
    agent.client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => {
      logged.push(String(params.data))
    })
    const job = await claim(agent)
    await agent.call('update_job_status', { job_id: job, status: 'running' })
    await writeFile(join(machine.worktreeDir, job, 'work.txt'), 'work\n')
    await scenario.db.query(`update claude_jobs set status = 'CANCELLED', updated_at = now() where id = $1`, [
      job,
    ])
    await until('the session is told', () => logged.some((text) => text.includes(job)))
    expect(await agent.fails('update_job_status', { job_id: job, status: 'done' })).toMatch(
      /^JOB_CANCELLED: /,
    )
    await until('the worktree goes', async () => (await machine.status()).jobs.length === 0)
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'CANCELLED' })
    const { saved } = await machine.json<{ saved: { job_id: string }[] }>('worktrees')
    expect(saved.map((one) => one.job_id)).toContain(job)
    await agent.close()
  })
})

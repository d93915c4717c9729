import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import type { Installation } from '../support/installation.ts'
import { startPostgres } from '../support/postgres.ts'
import { Scenario } from '../support/scenario.ts'
import type { TestServer } from '../support/test-server.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let server: TestServer
let machine: Installation

async function setUp(env: Record<string, string> = {}): Promise<{ product: string }> {
  server = await startPostgres()
  scenario = await Scenario.make(server)
  machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1', ...env } })
  const product = await scenario.product(machine)
  await machine.start()
  return { product: product.id }
}

afterEach(async () => {
  await scenario.close()
  await server.remove()
})

describe('a database that goes away', () => {
  it('makes the daemon degraded, not dead; waits go on, and one claim follows the reconnect', async () => {
    const { product } = await setUp()
    const agent = await machine.agent()
    const waiting = agent.call('wait_for_job', { wait_seconds: 120 })
    await until('it waits', async () =>
      (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
    )
    await server.kill()
    await until('degraded', async () => (await machine.status()).state === 'degraded')
    const other = await machine.agent()
    expect(await other.fails('list_products')).toMatch(/^DATABASE_UNAVAILABLE: /)
    expect(await other.call('health')).toMatchObject({ database: 'down' })
    await server.start()
    const job = await scenario.job(product, { quiet: true })
    expect(await waiting).toMatchObject({ job_id: job })
    await until('healthy again', async () => (await machine.status()).state === 'healthy')
    await agent.call('update_job_status', { job_id: job, status: 'skipped' })
  })

  it('is told to whoever gives a command as what it is, also before the daemon has noticed', async () => {
    await setUp({ SCRUM4ME_HEARTBEAT_SECONDS: '10' })
    // Both pools have connected, so that what follows fails in the middle of a command.
    await machine.json('jobs')
    await server.kill()
    for (const command of [['jobs'], ['questions'], ['enqueue', 'T-1']]) {
      const { code, stderr } = await machine.cli(...command)
      expect({ command, code, stderr }).toMatchObject({
        ...{ command, code: 1, stderr: expect.stringMatching(/^DATABASE_UNAVAILABLE: /) },
      })
      expect(stderr).not.toMatch(/prisma|defect/i)
    }
  })

  it('a final report made meanwhile is kept on disk and delivered once, also by the next daemon', async () => {
    const { product } = await setUp()
    const agent = await machine.agent()
    const job = await scenario.job(product)
    await agent.call('wait_for_job', { wait_seconds: 20 })
    await server.kill()
    const report = { job_id: job, status: 'done', summary: 'made while the database was away' }
    const answer = await agent.call('update_job_status', report)
    expect(answer).toMatchObject({ delivered: false, worktree: 'kept', status: 'done' })
    // What is on the disk is shown all the same.
    expect(await machine.json('worktrees')).toMatchObject({ worktrees: [{ job_id: job, task: null }] })
    const spooled = await machine.status()
    expect(spooled.problems.map((problem) => problem.code)).toContain('REPORT_SPOOLED')
    await machine.end('SIGKILL')
    await server.start()
    await machine.start()
    await until('it is delivered', async () => (await scenario.jobRow(job)).status === 'DONE')
    expect(await scenario.jobRow(job)).toMatchObject({ summary: report.summary, retry_count: 0 })
    expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: true, status: 'done' })
    await until('healthy', async () => (await machine.status()).state === 'healthy')
  })

  it('a spooled report of a claim that was taken meanwhile is not applied over the new owner, and status says so', async () => {
    const { product } = await setUp()
    const agent = await machine.agent()
    const job = await scenario.job(product)
    const { worktree_path } = await agent.call('wait_for_job', { wait_seconds: 20 })
    await writeFile(join(String(worktree_path), 'work.txt'), 'work')
    await server.kill()
    const report = { job_id: job, status: 'done', summary: 'All of it.' }
    expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: false })
    await machine.end('SIGKILL')
    await server.start()
    await scenario.db.query(
      `update claude_jobs set worker_instance_id = 'another', claimed_at = now() at time zone 'utc', retry_count = 1 where id = $1`,
      [job],
    )
    await machine.start(['healthy', 'degraded'])
    await until('the claim is known as lost', async () =>
      (await machine.status()).jobs.every((one) => !one.report_spooled),
    )
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'CLAIMED', worker_instance_id: 'another' })
    expect(await agent.fails('update_job_status', { job_id: job, status: 'done' })).toMatch(
      /^OWNERSHIP_LOST: /,
    )
    const complaints = async () =>
      (await machine.status()).problems.filter((problem) => problem.code === 'REPORT_SUPERSEDED')
    const complaint = {
      code: 'REPORT_SUPERSEDED',
      message: expect.stringMatching(
        new RegExp(
          `"done" on job ${job} .*another worker has the job.*"All of it\\.".* Its work was at [0-9a-f]{12} in its worktree`,
        ),
      ),
      remedy: expect.stringContaining(`worktrees restore ${job}`),
    }
    expect(await complaints()).toEqual([complaint])
    expect(await machine.cli('status')).toMatchObject({ code: 1 })
    await machine.end()
    await machine.start(['degraded'])
    expect(await complaints()).toEqual([complaint])
    await until('its work is saved', async () => (await machine.status()).worktrees?.saved === 1, 30_000)
    const place = join(machine.dir, 'restored')
    expect(await machine.cli('worktrees', 'restore', job, place)).toMatchObject({ code: 0 })
    expect(await readFile(join(place, 'work.txt'), 'utf8')).toBe('work')
  })
})

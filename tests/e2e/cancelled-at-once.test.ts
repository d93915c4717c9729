import { access } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterAll(() => scenario.close())

it('a job that is cancelled just after it was handed out: its session is told before the worktree goes', async () => {
  scenario = await Scenario.make()
  const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent()
  await scenario.job(product.id)
  const job = await agent.call('wait_for_job', { wait_seconds: 30 })
  await scenario.db.query(`update claude_jobs set status = 'CANCELLED' where id = $1`, [job.job_id])
  // Two beats later it was noticed, by a daemon that has heard nothing more of the session.
  await until('noticed', async () => (await machine.status()).jobs.every((one) => one.state !== 'held'))
  await access(String(job.worktree_path))
  expect(await agent.fails('wait_for_job', { wait_seconds: 1 })).toMatch(/^JOB_CANCELLED: /)
  await until('the worktree goes', async () =>
    access(String(job.worktree_path)).then(
      () => false,
      () => true,
    ),
  )
})

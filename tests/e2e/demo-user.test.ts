import { access } from 'node:fs/promises'
import { afterAll, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'

let scenario: Scenario
afterAll(() => scenario.close())

it('a user who becomes a demo user while a session holds a job: reports, heartbeats and waits change nothing', async () => {
  const atWork = await Scenario.atWork()
  scenario = atWork.scenario
  const { machine, product, agent } = atWork
  await scenario.job(product.id)
  const { job_id, worktree_path } = await agent.call('wait_for_job', { wait_seconds: 30 })
  await machine.end()
  await scenario.db.query('update users set is_demo = true where id = $1', [scenario.userId])
  await machine.start()

  const refused = /^PERMISSION_DENIED: A demo user may only read; nothing was changed/
  for (const id of [job_id, 'another']) {
    expect(await agent.fails('job_heartbeat', { job_id: id })).toMatch(refused)
    for (const status of ['running', 'done', 'failed']) {
      expect(await agent.fails('update_job_status', { job_id: id, status })).toMatch(refused)
    }
  }
  expect(await agent.fails('wait_for_job', { wait_seconds: 1 })).toMatch(refused)
  expect(await scenario.jobRow(String(job_id))).toMatchObject({ status: 'CLAIMED', started_at: null })
  await access(String(worktree_path))
})

import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { startProxy, type TestProxy } from '../support/proxy.ts'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let proxy: TestProxy
afterEach(async () => {
  await scenario.close()
  await proxy.close()
})

it('a release whose answer is lost after it took effect is one all the same: the late report counts', async () => {
  scenario = await Scenario.make()
  proxy = await startProxy(scenario.db.socketDir)
  const machine = await scenario.installation({
    databaseUrl: proxy.url(scenario.db.url),
    env: { SCRUM4ME_HEARTBEAT_SECONDS: '1', SCRUM4ME_SESSION_GRACE_SECONDS: '2' },
  })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent({ sessionId: 'late' })
  const job = await scenario.job(product.id)
  await agent.call('wait_for_job', { wait_seconds: 20 })
  await scenario.db.query(`
    create function slow() returns trigger language plpgsql as $$ begin perform pg_sleep(1.5); return new; end $$`)
  await scenario.db.query(
    `create trigger slow before update on claude_jobs for each row when (new.status = 'QUEUED') execute function slow()`,
  )
  await agent.close()
  await until('it is being released', async () => {
    const asleep = await scenario.db.query(
      `select 1 from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`,
    )
    return asleep.length > 0
  })
  await proxy.setMode('blackhole')
  await until('it is released', async () => (await scenario.jobRow(job)).status === 'QUEUED')
  await proxy.setMode('forward')
  proxy.reset()
  await until('the daemon knows', async () =>
    (await machine.status()).jobs.every((one) => one.state !== 'held'),
  )
  const back = await machine.agent({ sessionId: 'late' })
  await access(join(machine.worktreeDir, job))
  const done = await back.call('update_job_status', { job_id: job, status: 'done', summary: 'late' })
  expect(done).toMatchObject({ status: 'done', delivered: true })
  expect(await scenario.jobRow(job)).toMatchObject({ status: 'DONE', summary: 'late' })
})

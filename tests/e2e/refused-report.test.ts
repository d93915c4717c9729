import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import pg from 'pg'
import { afterEach, expect, it } from 'vitest'
import { socketUrl } from '../../daemon/db/embedded/socket-url.ts'
import type { Agent } from '../support/agent.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let machine: Installation
afterEach(() => scenario.close())

async function claimed(): Promise<{ agent: Agent; job: string }> {
  scenario = await Scenario.make()
  machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent()
  const job = await scenario.job(product.id)
  await agent.call('wait_for_job', { wait_seconds: 20 })
  return { agent, job }
}

it('a report that the database will never take leaves the job with its session, to be reported otherwise', async () => {
  const { agent, job } = await claimed()
  await scenario.db.query(
    `alter table claude_jobs add constraint nothing_skipped check (status <> 'SKIPPED')`,
  )
  expect(await agent.fails('update_job_status', { job_id: job, status: 'skipped' })).toMatch(/^INTERNAL: /)
  expect((await machine.status()).jobs).toMatchObject([{ job_id: job, state: 'held', report_spooled: false }])
  expect(await agent.call('update_job_status', { job_id: job, status: 'failed' })).toMatchObject({
    status: 'failed',
    delivered: true,
  })
})

it('a report for which no connection can be made now is kept on disk, and the answer says so', async () => {
  const { agent, job } = await claimed()
  const name = scenario.db.name
  const admitted = async (yes: boolean) => {
    const admin = new pg.Client({ connectionString: socketUrl(scenario.db.socketDir, 'postgres') })
    await admin.connect()
    await admin.query(`alter database ${name} allow_connections ${yes}`)
    await admin.end()
  }
  await admitted(false)
  // All but the connection that beats, which goes on as if nothing were wrong.
  await scenario.db.query(
    `select pg_terminate_backend(pid) from pg_stat_activity where datname = $1
      and application_name like 'scrum4me-daemon/%' and query not like '%last_seen_at%'`,
    [name],
  )
  const report = { job_id: job, status: 'done', summary: 'All of it.' }
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: false, status: 'done' })
  await admitted(true)
  await until('it is delivered', async () => (await scenario.jobRow(job)).status === 'DONE', 30_000)
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: true })
})

it('a report that no disk takes is written to the database all the same', async () => {
  const { agent, job } = await claimed()
  await agent.call('job_heartbeat', { job_id: job })
  // Each note of the claim goes through a file of its own, in whose place stands a directory.
  const places = Array.from({ length: 20 }, (_, n) =>
    join(machine.home, 'state/claims', `${job}.json.tmp-${n + 5}`),
  )
  await Promise.all(places.map((place) => mkdir(place)))
  const report = { job_id: job, status: 'done', summary: 'All of it.' }
  expect(await agent.call('update_job_status', { job_id: job, status: 'running' })).toMatchObject({
    status: 'running',
  })
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: true, status: 'done' })
  expect(await scenario.jobRow(job)).toMatchObject({ status: 'DONE', summary: 'All of it.' })
  const { problems } = await machine.status()
  expect(problems.map(({ message }) => message).join()).toContain('claims cannot be written')
  await Promise.all(places.map((place) => rm(place, { recursive: true })))
})

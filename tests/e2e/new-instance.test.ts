import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { startPostgres } from '../support/postgres.ts'
import { Scenario } from '../support/scenario.ts'
import type { TestServer } from '../support/test-server.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let server: TestServer
afterEach(async () => {
  await scenario.close()
  await server.remove()
})

it('a report on disk is delivered also by a home that has become another instance', async () => {
  server = await startPostgres()
  scenario = await Scenario.make(server)
  const machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent()
  const job = await scenario.job(product.id)
  await agent.call('wait_for_job', { wait_seconds: 20 })
  await server.kill()
  const report = { job_id: job, status: 'done', summary: 'All of it.' }
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: false })
  await machine.end('SIGKILL')
  // As of a new machine id (a container's next image, a restored disk).
  for (const name of ['instance.json', 'instance-copy.json']) await rm(join(machine.home, 'state', name))
  await server.start()
  await machine.start(['healthy', 'degraded'])
  await until('it is delivered', async () => (await scenario.jobRow(job)).status === 'DONE')
  expect(await scenario.jobRow(job)).toMatchObject({ summary: 'All of it.', retry_count: 0 })
  await until('nothing waits any more', async () => (await machine.status()).state === 'healthy')
})

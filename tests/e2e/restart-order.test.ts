import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { newId } from '../../daemon/db/new-id.ts'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterEach(() => scenario.close())

it('a restart with much to take up gives nobody the job of a session that is about to come back', async () => {
  scenario = await Scenario.make()
  const machine = await scenario.installation()
  const product = await scenario.product(machine)
  await machine.start()
  const [holder, waiter] = [await machine.agent(), await machine.agent()]
  const job = await scenario.job(product.id)
  await holder.call('wait_for_job', { wait_seconds: 20 })
  const waiting = waiter.call('wait_for_job', { wait_seconds: 6 })
  await until('it waits', async () =>
    (await machine.status()).sessions.some((one) => one.activity === 'waiting'),
  )
  await machine.end('SIGKILL')
  // As of many sessions that were being answered.
  const claims = join(machine.home, 'state/claims')
  const record = JSON.parse(await readFile(join(claims, `${job}.json`), 'utf8'))
  for (let n = 0; n < 300; n += 1) {
    const jobId = newId()
    const owner = { key: jobId, sessionId: jobId, clientProcess: null }
    const answered = { ...record, identity: { ...record.identity, jobId }, owner, delivered: false }
    await writeFile(join(claims, `${jobId}.json`), JSON.stringify(answered))
  }
  await machine.start(['healthy', 'degraded'])
  expect(await waiting).toMatchObject({ status: 'timeout' })
  expect(await holder.call('wait_for_job', { wait_seconds: 5 })).toMatchObject({ job_id: job, resumed: true })
  await holder.call('update_job_status', { job_id: job, status: 'skipped' })
})

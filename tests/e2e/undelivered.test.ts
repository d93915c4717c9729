import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let machine: Installation
let product: Product

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation({ env: { SCRUM4ME_HEARTBEAT_SECONDS: '1' } })
  product = await scenario.product(machine)
  await machine.start()
})
afterAll(() => scenario.close())

describe('a claim that did not reach its session', () => {
  it('because its last note could not be written goes to the next waiter', async () => {
    const [first, second] = [await machine.agent(), await machine.agent()]
    const job = await scenario.job(product.id, { quiet: true })
    // Claimed, given: the second note of this daemon is the one before the answer leaves.
    const inTheWay = join(machine.home, 'state/claims', `${job}.json.tmp-2`)
    await mkdir(inTheWay)
    expect(await first.fails('wait_for_job', { wait_seconds: 20 })).toMatch(/^INTERNAL: /)
    await rm(inTheWay, { recursive: true })
    expect(await second.call('wait_for_job', { wait_seconds: 30 })).toMatchObject({ job_id: job })
    await second.call('update_job_status', { job_id: job, status: 'skipped' })
    await Promise.all([first.close(), second.close()])
  })

  it('is still of the session that worked on it before: its report counts while nobody has the job', async () => {
    const first = await machine.agent({ sessionId: 'worked-on-it' })
    const job = await scenario.job(product.id)
    await first.call('wait_for_job', { wait_seconds: 20 })
    const heir = await machine.agent()
    const abort = new AbortController()
    const editor = await scenario.db.pool.connect()
    try {
      // While the row is locked, the claim that is handed over cannot be attached.
      await editor.query('begin')
      await editor.query('select 1 from claude_jobs where id = $1 for update', [job])
      await first.close()
      const waiting = heir
        .call('wait_for_job', { wait_seconds: 60 }, { signal: abort.signal })
        .catch(() => undefined)
      await until('it is being handed over', async () =>
        (await machine.status()).jobs.some((one) => one.job_id === job && one.state === 'preparing'),
      )
      abort.abort()
      await waiting
    } finally {
      await editor.query('rollback')
      editor.release()
    }
    const back = await machine.agent({ sessionId: 'worked-on-it' })
    const done = await back.call('update_job_status', { job_id: job, status: 'done', summary: 'All of it.' })
    expect(done).toMatchObject({ status: 'done', delivered: true })
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'DONE', summary: 'All of it.' })
    expect(await back.call('update_job_status', { job_id: job, status: 'done' })).toMatchObject({
      summary: 'All of it.',
    })
    await Promise.all([heir.close(), back.close()])
  })
})

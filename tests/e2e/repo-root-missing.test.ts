import { relative } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'

let scenario: Scenario
let machine: Installation

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation()
  await machine.start()
})

afterAll(() => scenario.close())

it('leaves a job without a repo root queued, says so once a minute, and gives it out once the root is known', async () => {
  const unknown = await scenario.product(machine, { known: false })
  const job = await scenario.job(unknown.id)
  const before = await scenario.jobRow(job)
  const agent = await machine.agent()
  const text = await agent.fails('wait_for_job', { wait_seconds: 20 })
  expect(text).toMatch(/^REPO_ROOT_MISSING: /)
  expect(text).toContain(unknown.id)
  expect(text).toMatch(/`scrum4me-daemon init [^`]*--home [^`]+`/)
  // The second time the session is not told again: it waits.
  expect(await agent.call('wait_for_job', { wait_seconds: 1 })).toMatchObject({ status: 'timeout' })
  expect(await scenario.jobRow(job)).toEqual(before)
  expect((await machine.status()).queue).toMatchObject({ queued: 1, without_clone: 1 })

  // A second product behind it, also unknown, is not hidden by the first.
  const another = await scenario.product(machine, { known: false })
  const hidden = await scenario.job(another.id)
  expect(await agent.fails('wait_for_job', { wait_seconds: 20 })).toContain(another.id)
  await scenario.db.query('delete from claude_jobs where id = $1', [hidden])

  // A job behind it is not starved.
  const known = await scenario.product(machine)
  const behind = await scenario.job(known.id)
  const claimed = await agent.call('wait_for_job', { wait_seconds: 20 })
  expect(claimed).toMatchObject({ status: 'claimed', job_id: behind })
  const done = await agent.call('update_job_status', { job_id: behind, status: 'skipped' })
  expect(done.next_action).toBe('queue_empty')

  await scenario.know(machine, { [unknown.id]: unknown.clone })
  expect(await agent.call('wait_for_job', { wait_seconds: 20 })).toMatchObject({
    status: 'claimed',
    job_id: job,
  })
  await agent.call('update_job_status', { job_id: job, status: 'skipped' })
})

it('takes the root that the session’s own environment names, also from its home on', async () => {
  const product = await scenario.product(machine, { known: false })
  // No shell expands what stands in an MCP configuration.
  for (const root of [product.clone, `~/${relative(machine.env.HOME ?? '', product.clone)}`]) {
    const job = await scenario.job(product.id)
    const agent = await machine.agent({ env: { [`SCRUM4ME_REPO_ROOT_${product.id}`]: root } })
    const claimed = await agent.call('wait_for_job', { wait_seconds: 20 })
    expect(claimed).toMatchObject({ status: 'claimed', job_id: job })
    await agent.call('update_job_status', { job_id: job, status: 'skipped' })
    await agent.close()
  }
})

import { access, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
afterEach(() => scenario.close())

it('work that cannot be saved is complained of until it is gone, and its worktree then goes as status says', async () => {
  scenario = await Scenario.make()
  const machine = await scenario.installation({ env: { SCRUM4ME_SALVAGE_MAX_BYTES: '4' } })
  const product = await scenario.product(machine)
  await machine.start()
  const agent = await machine.agent()
  const job = await scenario.job(product.id)
  const { worktree_path } = await agent.call('wait_for_job', { wait_seconds: 20 })
  const path = String(worktree_path)
  await writeFile(join(path, 'work.txt'), 'more than four bytes\n')
  expect(await agent.call('update_job_status', { job_id: job, status: 'failed' })).toMatchObject({
    delivered: true,
    worktree: 'kept',
    salvage_ref: null,
  })

  await until('status complains', async () => (await machine.status()).problems.length > 0, 20_000)
  const { state, problems } = await machine.status()
  expect({ state, problems }).toMatchObject({ state: 'degraded', problems: [{ code: 'WORK_UNSAVED' }] })
  expect(problems[0]?.message).toMatch(new RegExp(`${job} .*SCRUM4ME_SALVAGE_MAX_BYTES`))
  expect(problems[0]?.remedy).toContain('by hand')
  expect(problems[0]?.remedy).toContain('`scrum4me-daemon restart')

  await rm(join(path, 'work.txt'))
  await machine.end()
  await machine.start()
  await until(
    'the worktree is removed',
    () =>
      access(path).then(
        () => false,
        () => true,
      ),
    20_000,
  )
  await until('all is well', async () => (await machine.status()).state === 'healthy', 20_000)
})

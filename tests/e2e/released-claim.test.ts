import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { Scenario } from '../support/scenario.ts'

let scenario: Scenario
afterEach(() => scenario.close())

it('a released claim whose worktree went some other way is remembered for a day, and no longer', async () => {
  const work = await Scenario.atWork()
  scenario = work.scenario
  const { machine, product } = work
  const job = await scenario.job(product.id)
  const claimed = await work.agent.call('wait_for_job', { wait_seconds: 20 })
  const record = join(machine.home, 'state', 'claims', `${job}.json`)
  const reconciled = async () => {
    const agent = await machine.agent()
    await agent.call('cleanup_my_worktrees')
    await agent.close()
  }
  await work.agent.close()
  await machine.json('jobs', 'release', job)
  await machine.end()
  await rm(String(claimed.worktree_path), { recursive: true })

  await machine.start()
  await reconciled()
  await machine.end()
  const kept = JSON.parse(await readFile(record, 'utf8'))
  expect(kept).toMatchObject({ state: 'released' })

  const since = new Date(Date.now() - 25 * 3600_000).toISOString()
  await writeFile(record, JSON.stringify({ ...kept, since }))
  await machine.start()
  await reconciled()
  await expect(stat(record)).rejects.toThrow('ENOENT')
})

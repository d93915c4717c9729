import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, expect, it } from 'vitest'
import { git } from '../support/git.ts'
import { type AtWork, Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let at: AtWork
afterEach(() => at.scenario.close())

it('a report that the database took and the disk did not is known again after a crash: nothing of it is undone', async () => {
  at = await Scenario.atWork()
  const { machine, product, scenario } = at
  const agent = await machine.agent({ sessionId: 'one' })
  const job = await scenario.job(product.id)
  const { worktree_path, branch_name: branch } = await agent.call('wait_for_job', { wait_seconds: 20 })
  const path = String(worktree_path)
  await writeFile(join(path, 'work.txt'), 'work')
  await git(path, 'add', '.')
  await git(path, 'commit', '-q', '-m', 'Work')
  const tip = await git(path, 'rev-parse', 'HEAD')

  // As on a full disk: the record of the claim stays as it was.
  const claims = join(machine.home, 'state/claims')
  await rename(claims, `${claims}-aside`)
  await writeFile(claims, '')
  const report = { job_id: job, status: 'done', branch, summary: 'All of it.' }
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: true })
  await machine.end('SIGKILL')
  await rm(claims)
  await rename(`${claims}-aside`, claims)
  await machine.start(['healthy', 'degraded'])

  await until('the claim is settled', async () => (await machine.status()).jobs.length === 0, 20_000)
  expect(await agent.call('update_job_status', report)).toMatchObject({ delivered: true, status: 'done' })
  expect(await scenario.jobRow(job)).toMatchObject({ status: 'DONE', summary: 'All of it.' })
  expect(await git(product.clone, 'rev-parse', String(branch))).toBe(tip)
})

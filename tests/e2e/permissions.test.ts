import { execFileSync } from 'node:child_process'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'

let scenario: Scenario
let machine: Installation
let product: Product
let agent: Agent
/** The user's own mode of a new file. */
const usual = 0o666 & ~Number.parseInt(execFileSync('sh', ['-c', 'umask']).toString(), 8)

beforeAll(async () => {
  ;({ scenario, machine, product, agent } = await Scenario.atWork())
})
afterAll(() => scenario.close())

const mode = async (...path: string[]) => (await stat(join(...path))).mode & 0o777

it('files in worktrees are as open as the user makes them, everything of ours is closed', async () => {
  await scenario.job(product.id)
  const job = await agent.call('wait_for_job', { wait_seconds: 30 })
  const path = String(job.worktree_path)
  const [file = ''] = (await git(path, 'ls-files')).split('\n')
  expect(await mode(path, file)).toBe(usual)

  await writeFile(join(path, 'untracked.txt'), 'work')
  await agent.call('update_job_status', { job_id: job.job_id, status: 'failed' })
  const restored = join(machine.dir, 'restored')
  await machine.cli('worktrees', 'restore', String(job.job_id), restored)
  expect(await mode(restored, 'untracked.txt')).toBe(usual)

  expect(await mode(path, '..')).toBe(0o700)
  for (const name of await readdir(machine.home)) expect((await mode(machine.home, name)) & 0o077).toBe(0)
})

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import type { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let machine: Installation
let product: Product
let agent: Agent

beforeAll(async () => {
  ;({ scenario, machine, product, agent } = await Scenario.atWork())
})
afterAll(() => scenario.close())

it('the log tells what became of a job and who did what; restored work is told from strangers', async () => {
  await scenario.job(product.id)
  const job = await agent.call('wait_for_job', { wait_seconds: 30 })
  const id = String(job.job_id)
  // The lease runs from the claim on, also before the first heartbeat.
  const lease = z.object({ claimed_at: z.string(), lease_until: z.string() })
  const { claimed_at, lease_until } = lease.parse((await machine.status()).jobs[0])
  expect(Date.parse(lease_until) - Date.parse(claimed_at)).toBeGreaterThanOrEqual(300_000)
  await writeFile(join(String(job.worktree_path), 'untracked.txt'), 'work')
  const { salvage_ref } = await agent.call('update_job_status', { job_id: id, status: 'failed' })
  const { task } = z.object({ task: z.object({ code: z.string(), title: z.string() }) }).parse(job)
  const named = { job_id: id, task: `${task.code} ${task.title}` }
  expect(await machine.json('worktrees')).toMatchObject({ saved: [named] })
  expect((await machine.cli('worktrees')).stdout).toContain(`${id}  ${named.task}`)
  await machine.cli('worktrees', 'restore', id)

  await until('status has seen it', async () => {
    const entries = (await machine.status()).worktrees?.entries ?? []
    return entries.some(({ job_id, state }) => job_id === `${id}-restored` && state === 'restored')
  })
  const cleaned = await agent.call('cleanup_my_worktrees')
  expect(cleaned.skipped).toMatchObject([{ reason: expect.stringContaining('git worktree remove') }])

  await machine.cli('worktrees', 'drop', id)
  await until('status has seen that, too', async () => (await machine.status()).worktrees?.saved === 0)
  await machine.cli('pause')
  const { stdout } = await machine.cli('logs', '-n', '200')
  const said = (text: string) => stdout.split('\n').filter((line) => line.includes(text))
  for (const what of ['a job is handed out', 'a job is reported', 'worktree-restore', 'worktree-drop'])
    expect(said(what).filter((line) => line.includes(id))).toHaveLength(1)
  expect(said(String(salvage_ref))).toHaveLength(1)
  expect(said('pause by command')).toHaveLength(1)
})

it('a repository without a commit is said to be of no use yet', async () => {
  const empty = join(machine.dir, 'empty')
  await mkdir(empty)
  await git(empty, 'init', '-q')
  expect((await machine.cli('init', empty)).stdout).toContain('has no commit yet')
  const { stdout } = await machine.cli('doctor')
  expect(stdout).toMatch(/! .*empty has no commit yet/)
  expect(stdout).not.toContain('All well.')
})

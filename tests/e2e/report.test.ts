import { access, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Agent, ToolAnswer } from '../support/agent.ts'
import { git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'

describe('reports', () => {
  let scenario: Scenario
  let machine: Installation
  let product: Product
  let agent: Agent

  beforeAll(async () => {
    ;({ scenario, machine, product, agent } = await Scenario.atWork())
  })

  afterAll(() => scenario.close())

  async function claim(): Promise<
    ToolAnswer & { job_id: string; worktree_path: string; branch_name: string }
  > {
    await scenario.job(product.id)
    const answer = await agent.call('wait_for_job', { wait_seconds: 30 })
    return {
      ...answer,
      job_id: String(answer.job_id),
      worktree_path: String(answer.worktree_path),
      branch_name: String(answer.branch_name),
    }
  }

  async function work(path: string): Promise<void> {
    await writeFile(join(path, 'work.txt'), 'work\n')
    await git(path, 'add', '.')
    await git(path, 'commit', '-q', '-m', 'Work')
  }

  it('a job that somebody ended is cleaned up for its session that asks, and not given to it again', async () => {
    const job = await claim()
    await writeFile(join(job.worktree_path, 'work.txt'), 'work')
    await scenario.db.query(`update claude_jobs set status = 'FAILED' where id = $1`, [job.job_id])
    const { removed } = await agent.call('cleanup_my_worktrees')
    const salvage_ref = `refs/scrum4me/salvage/${job.job_id}/1`
    expect(removed).toMatchObject([{ job_id: job.job_id, reason: 'the job is FAILED', salvage_ref }])
    // Before a heartbeat has found out.
    expect(await agent.fails('wait_for_job', { wait_seconds: 1 })).toMatch(/^JOB_TERMINAL: /)
    const report = { job_id: job.job_id, status: 'done' }
    expect(await agent.fails('update_job_status', report)).toMatch(/^JOB_TERMINAL: /)
    await machine.cli('worktrees', 'drop', job.job_id)
  })

  it('running, then done with a pushed branch: kept, pushed_at set, worktree gone, repetition succeeds', async () => {
    const job = await claim()
    const next = await scenario.job(product.id, { quiet: true })
    const running = await agent.call('update_job_status', { job_id: job.job_id, status: 'running' })
    expect(running).toMatchObject({
      status: 'running',
      next_action: 'idle',
      delivered: true,
      finished_at: null,
    })
    expect(running.started_at).not.toBeNull()
    await work(job.worktree_path)
    await git(job.worktree_path, 'push', '-q', 'origin', 'HEAD')
    const head = await git(job.worktree_path, 'rev-parse', 'HEAD')
    const report = { job_id: job.job_id, status: 'done', branch: job.branch_name, summary: 'Done.' }
    const done = await agent.call('update_job_status', report)
    expect(done).toMatchObject({
      status: 'done',
      delivered: true,
      branch: job.branch_name,
      summary: 'Done.',
      worktree: 'removed',
      next_action: 'wait_for_job_again',
    })
    expect(done.pushed_at).not.toBeNull()
    await expect(access(job.worktree_path)).rejects.toThrow()
    expect(await git(product.clone, 'rev-parse', job.branch_name)).toBe(head)
    expect(await scenario.jobRow(job.job_id)).toMatchObject({
      status: 'DONE',
      branch: job.branch_name,
      head_sha: head,
      lease_until: null,
    })
    const again = await agent.call('update_job_status', report)
    expect(again).toMatchObject({ status: 'done', delivered: true, pushed_at: done.pushed_at })
    expect(await agent.fails('update_job_status', { job_id: job.job_id, status: 'failed' })).toMatch(
      /^JOB_TERMINAL: /,
    )
    expect((await agent.call('wait_for_job', { wait_seconds: 20 })).job_id).toBe(next)
    const last = await agent.call('update_job_status', { job_id: next, status: 'failed', error: 'no' })
    expect(last.next_action).toBe('queue_empty')
  })

  it('failed without work deletes branch and worktree and saves nothing', async () => {
    const job = await claim()
    const failed = await agent.call('update_job_status', {
      job_id: job.job_id,
      status: 'failed',
      error: 'No luck.',
    })
    expect(failed).toMatchObject({
      status: 'failed',
      error: 'No luck.',
      worktree: 'removed',
      salvage_ref: null,
      branch: null,
    })
    await expect(access(job.worktree_path)).rejects.toThrow()
    expect(await git(product.clone, 'branch', '--list', job.branch_name)).toBe('')
  })

  it('failed with work saves it before anything is removed, and restore brings it back', async () => {
    const job = await claim()
    await work(job.worktree_path)
    await writeFile(join(job.worktree_path, 'untracked.txt'), 'only here\n')
    const failed = await agent.call('update_job_status', {
      job_id: job.job_id,
      status: 'failed',
      error: 'Half done.',
    })
    expect(failed.salvage_ref).toBe(`refs/scrum4me/salvage/${job.job_id}/1`)
    expect(failed.worktree).toBe('removed')
    // What is printed is all it takes, in a shell that knows nothing of this home.
    const command = `scrum4me-daemon worktrees restore ${job.job_id} --home ${machine.home}`
    expect(await machine.json('worktrees')).toMatchObject({ saved: [{ restore_command: command }] })
    expect((await machine.cli('worktrees')).stdout).toContain(
      `\`${command.replace(job.job_id, '<job-id>')}\``,
    )
    const restored = await machine.json('worktrees', 'restore', job.job_id, join(machine.dir, 'restored'))
    expect(await git(String(restored.path), 'status', '--porcelain')).toBe('?? untracked.txt')
    expect(await git(String(restored.path), 'log', '-1', '--format=%s')).toBe('Work')
  })

  it.each([
    'failed',
    'skipped',
  ])('%s under the branch’s own name: the branch goes all the same, saved', async (status) => {
    const job = await claim()
    await work(job.worktree_path)
    const report = { job_id: job.job_id, status, branch: job.branch_name }
    expect(await agent.call('update_job_status', report)).toMatchObject({
      worktree: 'removed',
      salvage_ref: `refs/scrum4me/salvage/${job.job_id}/1`,
    })
    expect(await git(product.clone, 'branch', '--list', job.branch_name)).toBe('')
  })

  it('a heartbeat tells the lease as the database has it, and that the job was cancelled, at once', async () => {
    const job = await claim()
    const { lease_until } = await agent.call('job_heartbeat', { job_id: job.job_id })
    const row = await scenario.jobRow(job.job_id)
    expect(row.lease_until).toBeInstanceOf(Date)
    // A beat may have come in between.
    expect(Date.parse(String(lease_until))).toBeLessThanOrEqual(Number(row.lease_until))
    await scenario.db.query(`update claude_jobs set status = 'CANCELLED' where id = $1`, [job.job_id])
    expect(await agent.fails('job_heartbeat', { job_id: job.job_id })).toMatch(/^JOB_CANCELLED: /)
  })

  it('refuses what it must, and changes nothing', async () => {
    const job = await claim()
    const row = await scenario.jobRow(job.job_id)
    const other = await machine.agent()
    const call = (args: Record<string, unknown>, by = agent) => by.fails('update_job_status', args)
    expect(await call({ job_id: job.job_id, status: 'done' }, other)).toMatch(/^OWNERSHIP_LOST: /)
    expect(await call({ job_id: 'nothing', status: 'done' })).toBe(
      'NOT_FOUND: Job nothing not found or not accessible. Check the id; nothing was changed.',
    )
    expect(await call({ job_id: '../x', status: 'done' })).toMatch(/^NOT_FOUND: Job \.\.\/x not found/)
    for (const branch of ['-x', 'a..b', 'x.lock', 'a b', '@{-1}']) {
      expect(await call({ job_id: job.job_id, status: 'done', branch })).toMatch(/^VALIDATION_ERROR: branch /)
    }
    expect(await call({ job_id: job.job_id, status: 'queued' })).toMatch(/^VALIDATION_ERROR: status /)
    expect(await call({ job_id: job.job_id, status: 'done', summary: 'x'.repeat(4001) })).toMatch(
      /^VALIDATION_ERROR: summary /,
    )
    expect(await call({ job_id: job.job_id, status: 'done', colour: 'red' })).toMatch(
      /^VALIDATION_ERROR: colour /,
    )
    const { lease_until: _before, ...fixed } = row
    expect(await scenario.jobRow(job.job_id)).toMatchObject(fixed)
    await agent.call('update_job_status', {
      job_id: job.job_id,
      status: 'skipped',
      model_id: 'm',
      input_tokens: 3,
    })
    await other.close()
  })
})

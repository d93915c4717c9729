import { access } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commitFile, git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { until } from '../support/until.ts'

describe('the main job', () => {
  let scenario: Scenario
  let machine: Installation
  let product: Product

  beforeAll(async () => {
    scenario = await Scenario.make()
    machine = await scenario.installation()
    product = await scenario.product(machine)
    await machine.start()
  })

  afterAll(() => scenario.close())

  it('gives two waiting sessions two jobs, the oldest first, each a worktree from the fetched default branch', async () => {
    const first = await machine.agent()
    const second = await machine.agent()
    const waits: ReturnType<typeof first.call>[] = []
    for (const agent of [first, second]) {
      waits.push(agent.call('wait_for_job', { wait_seconds: 30 }))
      // Whoever stands in line first gets the older one.
      await until('it stands in line', async () => {
        const { sessions } = await machine.status()
        return sessions.filter(({ activity }) => activity === 'waiting').length === waits.length
      })
    }
    // Pushed by somebody else: the clone has not seen it yet.
    const tip = await commitFile(product.origin, 'news.txt', 'new on origin\n')
    const older = await scenario.job(product.id, { quiet: true })
    const newer = await scenario.job(product.id)
    const answers = await Promise.all(waits)
    expect(answers.map((answer) => answer.job_id).sort()).toEqual([older, newer].sort())
    expect(answers[0]?.job_id).toBe(older)
    const branches = new Set(answers.map((answer) => answer.branch_name))
    expect(branches.size).toBe(2)
    for (const answer of answers) {
      const path = String(answer.worktree_path)
      expect(answer).toMatchObject({
        status: 'claimed',
        resumed: false,
        attempt: 1,
        base_fetched: true,
        base_sha: tip,
      })
      expect(path).toBe(`${machine.worktreeDir}/${answer.job_id}`)
      expect(answer.branch_name).toBe(`feat/job-${String(answer.job_id).slice(-8)}`)
      expect(await git(path, 'rev-parse', 'HEAD')).toBe(tip)
      expect(await git(path, 'branch', '--show-current')).toBe(answer.branch_name)
      expect(await scenario.jobRow(String(answer.job_id))).toMatchObject({
        status: 'CLAIMED',
        branch: answer.branch_name,
        base_sha: tip,
      })
    }
    expect(await git(product.clone, 'status', '--porcelain')).toBe('')
    for (const [index, agent] of [first, second].entries()) {
      const answer = answers[index]
      const done = await agent.call('update_job_status', { job_id: answer?.job_id, status: 'skipped' })
      expect(done).toMatchObject({ status: 'skipped', delivered: true, worktree: 'removed' })
      await expect(access(String(answer?.worktree_path))).rejects.toThrow()
    }
    await Promise.all([first.close(), second.close()])
  })

  it('gives 20 waiting sessions 20 different jobs', async () => {
    const agents = await Promise.all(Array.from({ length: 20 }, () => machine.agent()))
    const waits = agents.map((agent) => agent.call('wait_for_job', { wait_seconds: 60 }))
    const jobs = await Promise.all(Array.from({ length: 20 }, () => scenario.job(product.id)))
    const answers = await Promise.all(waits)
    expect(new Set(answers.map((answer) => answer.job_id))).toEqual(new Set(jobs))
    expect(new Set(answers.map((answer) => answer.worktree_path)).size).toBe(20)
    await Promise.all(
      agents.map((agent, index) =>
        agent.call('update_job_status', {
          job_id: answers[index]?.job_id,
          status: 'failed',
          error: 'Not today.',
        }),
      ),
    )
    await Promise.all(agents.map((agent) => agent.close()))
    expect(await git(product.clone, 'branch', '--list', 'feat/*')).toBe('')
  })
})

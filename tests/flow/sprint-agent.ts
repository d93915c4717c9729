import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { z } from 'zod'
import type { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import { until } from '../support/until.ts'

const STORY = z.object({
  id: z.string(),
  code: z.string(),
  title: z.string(),
  tasks: z.array(
    z.object({
      id: z.string(),
      code: z.string(),
      title: z.string(),
      implementation_plan: z.string().nullable(),
      status: z.string(),
    }),
  ),
})
const CONTEXT = z.object({
  active_sprint: z.object({ id: z.string() }).nullable(),
  next_story: STORY.nullable(),
})
const JOB = z.object({
  status: z.literal('claimed'),
  job_id: z.string(),
  resumed: z.literal(false),
  attempt: z.literal(1),
  task: z.object({ id: z.string(), code: z.string() }),
  story: z.object({ id: z.string(), code: z.string() }),
  sprint: z.object({ id: z.string() }),
  plan_snapshot: z.string(),
  worktree_path: z.string(),
  branch_name: z.string(),
  base_sha: z.string(),
  base_fetched: z.literal(true),
  warnings: z.array(z.string()).length(0),
})
const VERIFIED = z.object({
  result: z.string(),
  report: z.string(),
  plan_edited: z.boolean(),
  commits: z.array(z.object({ subject: z.string() })),
})
const REPORTED = z.object({
  status: z.enum(['running', 'done']),
  delivered: z.literal(true),
  pushed_at: z.string().nullable(),
  worktree: z.string(),
  next_action: z.string(),
})

export type Story = z.output<typeof STORY>
type Job = z.output<typeof JOB>

/** What the agent found and did for one task, for the test to compare with the backlog. */
export interface Worked {
  readonly job: Job
  readonly commit: string
  readonly verdicts: readonly string[]
  readonly storyChange: unknown
  readonly nextAction: string
}

/** An agent that does what its tools tell it, knows nothing else, and can write files and use git. */
export class SprintAgent {
  readonly #agent: Agent

  constructor(agent: Agent) {
    this.#agent = agent
  }

  async productCalled(name: string): Promise<string> {
    const { products } = z
      .object({ products: z.array(z.object({ id: z.string(), name: z.string() })) })
      .parse(await this.#agent.call('list_products'))
    const product = products.find((one) => one.name === name)
    if (product === undefined) throw new Error(`no product ${name}`)
    return product.id
  }

  async nextStory(productId: string): Promise<Story | null> {
    const context = CONTEXT.parse(await this.#agent.call('get_claude_context', { product_id: productId }))
    return context.next_story
  }

  /** Logs the plan, queues every task (one without a plan gets one first), and works until `queue_empty`. */
  async implement(story: Story, begun: (job: Job) => Promise<void>): Promise<Worked[]> {
    await this.#agent.call('log_implementation', {
      story_id: story.id,
      content: `Plan for ${story.code}: ${story.tasks.map((task) => task.title).join(', ')}.`,
      metadata: { tasks: story.tasks.map((task) => task.code) },
    })
    for (const task of story.tasks) {
      if (task.implementation_plan === null) await this.#plan(task.id, `Write \`src/${task.code}.txt\`.`)
      await this.#agent.call('dispatch_job', { task_id: task.id })
    }
    const worked: Worked[] = []
    for (;;) {
      const job = JOB.parse(await this.#agent.call('wait_for_job', { wait_seconds: 60 }))
      await begun(job)
      const done = await this.#work(job)
      worked.push(done)
      if (done.nextAction === 'queue_empty') return worked
      if (done.nextAction !== 'wait_for_job_again') throw new Error(done.nextAction)
    }
  }

  async #work(job: Job): Promise<Worked> {
    const { story, task, worktree_path: path } = job
    const running = await this.#report(job, { status: 'running' })
    if (running.next_action !== 'idle') throw new Error(running.next_action)
    await this.#setTask(task.id, 'in_progress')
    const files = [...job.plan_snapshot.matchAll(/`([^`]+)`/g)].map((match) => match[1] ?? '')
    const verdicts: string[] = []
    for (const [index, file] of files.entries()) {
      await mkdir(dirname(join(path, file)), { recursive: true })
      await writeFile(join(path, file), `${task.code} of ${story.code}\n`)
      // Asks what is missing after the first of several files, and believes the answer.
      if (index === 0 && files.length > 1) verdicts.push((await this.#verify(job)).result)
    }
    await git(path, 'add', '.')
    await git(path, 'commit', '-q', '-m', `${story.code} ${task.code}: write ${files.join(', ')}`)
    const commit = await git(path, 'rev-parse', 'HEAD')
    await git(path, 'push', '-q', 'origin', 'HEAD')
    await this.#agent.call('log_test_result', {
      story_id: story.id,
      content: `Tests of ${task.code}: all pass.`,
      status: 'PASSED',
    })
    await this.#agent.call('log_commit', {
      story_id: story.id,
      content: `Work of ${task.code}.`,
      commit_hash: commit,
      commit_message: await git(path, 'log', '-1', '--format=%s'),
      metadata: { branch: job.branch_name },
    })
    await this.#setTask(task.id, 'review')
    const verified = await this.#verify(job)
    verdicts.push(verified.result)
    if (verified.result !== 'aligned') throw new Error(verified.report)
    const storyChange = await this.#setTask(task.id, 'done')
    const done = await this.#report(job, {
      status: 'done',
      branch: job.branch_name,
      summary: `Wrote ${files.join(', ')}.`,
    })
    if (done.pushed_at === null || done.worktree !== 'removed') throw new Error(JSON.stringify(done))
    return { job, commit, verdicts, storyChange, nextAction: done.next_action }
  }

  /** Waits for the answer in the call. */
  async ask(storyId: string, taskId: string, question: string): Promise<unknown> {
    const asked = await this.#agent.call('ask_user_question', {
      ...{ story_id: storyId, task_id: taskId, question },
      options: ['Yes', 'No'],
      wait_seconds: 60,
    })
    return asked.answer
  }

  /** Asks without waiting; the result looks for the answer, as often as it takes. */
  async askLater(storyId: string, question: string): Promise<() => Promise<unknown>> {
    const asked = await this.#agent.call('ask_user_question', { story_id: storyId, question })
    if (asked.status !== 'open') throw new Error(JSON.stringify(asked))
    return () =>
      until('the question is answered', async () => {
        const now = await this.#agent.call('get_question_answer', { question_id: asked.question_id })
        return now.status === 'answered' && now.answer
      })
  }

  async changePlan(taskId: string, plan: string): Promise<void> {
    await this.#plan(taskId, plan)
  }

  async #plan(taskId: string, plan: string): Promise<void> {
    await this.#agent.call('update_task_plan', { task_id: taskId, implementation_plan: plan })
  }

  async #setTask(taskId: string, status: string): Promise<unknown> {
    const set = await this.#agent.call('update_task_status', { task_id: taskId, status })
    if (set.status !== status) throw new Error(JSON.stringify(set))
    return set.story_status_change
  }

  async #verify(job: Job): Promise<z.output<typeof VERIFIED>> {
    return VERIFIED.parse(await this.#agent.call('verify_task_against_plan', { task_id: job.task.id }))
  }

  async #report(job: Job, report: Record<string, unknown>): Promise<z.output<typeof REPORTED>> {
    return REPORTED.parse(await this.#agent.call('update_job_status', { job_id: job.job_id, ...report }))
  }
}

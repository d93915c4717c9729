import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from '../support/git.ts'

type Answer = Record<string, unknown>

export interface EveryToolOptions {
  /** One call that must succeed; resolves to `structuredContent`. */
  call(name: string, args?: Record<string, unknown>): Promise<Answer>
  readonly productId: string
  /** The product's clone, whose root is known to the daemon. */
  readonly clone: string
  /** Puts a story into the product's active sprint, which no tool can. */
  intoSprint(storyId: unknown): Promise<void>
}

/** Every tool of the contract with success, in the order of a working day; some of them both with and without a result. */
export async function callEveryTool({ call, productId, clone, intoSprint }: EveryToolOptions): Promise<void> {
  await call('health')
  await call('worker_status')
  await call('list_products')
  const pbi = await call('create_pbi', { product_id: productId, title: 'P', priority: 1, description: 'd' })
  const item = { title: 'S', priority: 4, description: 'd' }
  const story = await call('create_story', {
    ...{ ...item, pbi_id: pbi.id },
    acceptance_criteria: '- `work.txt` is there\n- Tests pass',
  })
  const plan = 'Write `work.txt`.'
  const task = await call('create_task', { ...item, story_id: story.id, implementation_plan: plan })
  const about = { story_id: story.id }
  await intoSprint(story.id)
  await call('create_todo', { title: 'Tidy up', description: 'd', product_id: productId })
  await call('create_todo', { title: 'Anything' })
  await call('get_claude_context', { product_id: productId })
  await call('log_implementation', {
    ...about,
    content: 'Plan',
    metadata: { deep: { list: [1, null, 'é'] } },
  })
  await call('update_task_plan', { task_id: task.id, implementation_plan: plan })

  const asked = await call('ask_user_question', {
    ...about,
    task_id: task.id,
    question: 'Why?',
    options: ['a'],
  })
  await call('ask_user_question', { ...about, question: 'How?', wait_seconds: 1 })
  await call('list_open_questions', about)
  await call('list_open_questions')
  await call('cancel_question', { question_id: asked.question_id })
  await call('get_question_answer', { question_id: asked.question_id })

  await call('verify_task_against_plan', { task_id: task.id, worktree_path: clone })
  await call('check_queue_empty', { product_id: productId })
  const job = await call('dispatch_job', { task_id: task.id })
  await call('check_queue_empty')
  const claimed = await call('wait_for_job', { wait_seconds: 60, product_id: productId })
  if (claimed.job_id !== job.job_id) throw new Error(JSON.stringify(claimed))
  const path = String(claimed.worktree_path)
  await call('update_job_status', { job_id: job.job_id, status: 'running' })
  await call('job_heartbeat', { job_id: job.job_id })
  await call('update_task_status', { task_id: task.id, status: 'in_progress' })
  await writeFile(join(path, 'work.txt'), 'work\n')
  await git(path, 'add', '.')
  await git(path, 'commit', '-q', '-m', 'Work')
  const commit = await git(path, 'rev-parse', 'HEAD')
  await call('log_commit', { ...about, content: 'c', commit_hash: commit, commit_message: 'Work' })
  await call('log_test_result', { ...about, content: 'c', status: 'PASSED' })
  await call('verify_task_against_plan', { task_id: task.id })
  await call('worker_status')
  await call('update_task_status', { task_id: task.id, status: 'done' })
  await call('update_job_status', { job_id: job.job_id, status: 'failed', error: 'Not pushed.' })
  await call('wait_for_job', { wait_seconds: 1, product_id: productId })
  await call('cleanup_my_worktrees')
  await call('set_pbi_pr', { pbi_id: pbi.id, pr_url: 'https://github.com/o/r/pull/1' })
  await call('mark_pbi_pr_merged', { pbi_id: pbi.id })
  await call('get_claude_context', { product_id: productId })
}

import { readdir } from 'node:fs/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Agent } from '../support/agent.ts'
import { git } from '../support/git.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'
import { SprintAgent, type Story, type Worked } from './sprint-agent.ts'

/** Three stories and seven tasks in the order people gave them, which is not the order they are written in. */
const BACKLOG = [
  {
    title: 'Export',
    place: 3,
    tasks: [
      { title: 'CSV', place: 1 },
      { title: 'PDF', place: 2 },
    ],
  },
  {
    title: 'Login',
    place: 1,
    tasks: [
      { title: 'Session', place: 3, plan: 'Write `src/session.txt`.' },
      { title: 'Form', place: 1, plan: 'Write `src/form.txt` and `docs/form.md`.' },
      { title: 'Check', place: 2, plan: null },
    ],
  },
  {
    title: 'Search',
    place: 2,
    tasks: [
      { title: 'Query', place: 2 },
      { title: 'Index', place: 1 },
    ],
  },
] as const

let scenario: Scenario
let machine: Installation
let product: { id: string; clone: string; origin: string }
let agent: Agent

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation()
  product = await scenario.product(machine)
  const productId = product.id
  await scenario.db.query(`update products set name = 'Shop' where id = $1`, [productId])
  // An older sprint with work left, and a story outside any sprint: neither is the agent's business.
  const old = await seed.sprint(scenario.db, { product_id: productId, created_at: new Date('2020-01-01') })
  const pbi = await seed.pbi(scenario.db, { product_id: productId })
  await addStory(pbi.id, { title: 'Old', place: 0, tasks: [{ title: 'Old', place: 1 }] }, old.id)
  await addStory(pbi.id, { title: 'Someday', place: 0, tasks: [{ title: 'Someday', place: 1 }] }, null)
  const sprint = await seed.sprint(scenario.db, { product_id: productId })
  for (const story of BACKLOG) await addStory(pbi.id, story, sprint.id)
  await machine.start()
  agent = await machine.agent()
})

afterAll(() => scenario?.close())

interface NewStory {
  readonly title: string
  readonly place: number
  readonly tasks: readonly { readonly title: string; readonly place: number; readonly plan?: string | null }[]
}

async function addStory(pbiId: string, story: NewStory, sprintId: string | null): Promise<void> {
  const { id } = await seed.story(scenario.db, {
    ...{ pbi_id: pbiId, sprint_id: sprintId, title: story.title, sort_order: story.place },
    status: sprintId === null ? 'OPEN' : 'IN_SPRINT',
    acceptance_criteria: '- All tests pass.\n- People like it.',
  })
  for (const { title, place, plan } of story.tasks) {
    await seed.task(scenario.db, {
      ...{ story_id: id, sprint_id: sprintId, title, sort_order: place },
      implementation_plan: plan === undefined ? `Write \`src/${title.toLowerCase()}.txt\`.` : plan,
    })
  }
}

/** A person merges what is on origin, so that the next story builds on it. */
async function merge(branches: readonly string[]): Promise<string> {
  await git(product.clone, 'merge', '-q', '--no-edit', ...branches)
  await git(product.clone, 'push', '-q', 'origin', 'main')
  return git(product.origin, 'rev-parse', 'main')
}

/** A person answers the next open question on this machine. */
async function answerNext(text: string): Promise<void> {
  const id = await until('a question is open', async () => {
    const { questions } = await machine.json<{ questions: { question_id: string }[] }>('questions')
    return questions[0]?.question_id
  })
  expect(await machine.cli('answer', id, text)).toMatchObject({ code: 0 })
}

it('an agent with nothing but its tools carries a sprint to its end', { timeout: 120_000 }, async () => {
  const sprinter = new SprintAgent(agent)
  const productId = await sprinter.productCalled('Shop')
  expect(productId).toBe(product.id)

  const stories: Story[] = []
  const worked: Worked[] = []
  let tip = await git(product.origin, 'rev-parse', 'main')
  for (;;) {
    const story = await sprinter.nextStory(productId)
    if (story === null) break
    stories.push(story)
    let collect: (() => Promise<unknown>) | undefined
    const done = await sprinter.implement(story, async (job) => {
      expect(job.base_sha).toBe(tip)
      if (job.task.id === story.tasks[0]?.id && story.title === 'Search') {
        const asking = sprinter.ask(story.id, job.task.id, 'Upper case?')
        await answerNext('Yes, but only titles')
        expect(await asking).toBe('Yes, but only titles')
      }
      if (job.task.id === story.tasks[0]?.id && story.title === 'Export') {
        collect = await sprinter.askLater(story.id, 'Which separator?')
        // The plan changes under the work: what was claimed is what is verified.
        await sprinter.changePlan(job.task.id, 'Write `src/another.txt`.')
      }
    })
    if (collect !== undefined) {
      await scenario.db.query(
        `update claude_questions set status = 'answered', answer = 'Semicolon', answered_by = $1,
           answered_at = now() at time zone 'utc' where status = 'open'`,
        [scenario.userId],
      )
      expect(await collect()).toBe('Semicolon')
    }
    worked.push(...done)
    tip = await merge(done.map(({ job }) => job.branch_name))
  }

  expect(stories.map((story) => [story.title, story.tasks.map((task) => task.title)])).toEqual([
    ['Login', ['Form', 'Check', 'Session']],
    ['Search', ['Index', 'Query']],
    ['Export', ['CSV', 'PDF']],
  ])
  expect(worked.map(({ job }) => job.task.id)).toEqual(
    stories.flatMap((story) => story.tasks.map((task) => task.id)),
  )
  const ends = [...Array(2).fill(['wait_for_job_again', null]), ['queue_empty', 'promoted']]
  expect(worked.map(({ nextAction, storyChange }) => [nextAction, storyChange])).toEqual([
    ...ends,
    ...ends.slice(1),
    ...ends.slice(1),
  ])
  expect(worked[0]?.verdicts).toEqual(['partial', 'aligned'])
  expect(await agent.call('check_queue_empty')).toMatchObject({ empty: true, remaining: 0 })
  expect(await agent.call('wait_for_job', { wait_seconds: 1 })).toMatchObject({
    status: 'timeout',
    next_action: 'queue_empty',
  })

  await backlogSaysSo(stories, worked)
  await gitSaysSo(worked)
  const { jobs, queue } = await machine.status()
  expect(jobs).toEqual([])
  expect(queue).toMatchObject({ queued: 0, claimed: 0, running: 0 })
  expect(await machine.json('worktrees')).toMatchObject({ worktrees: [], saved: [] })
})

async function backlogSaysSo(stories: readonly Story[], worked: readonly Worked[]): Promise<void> {
  const { db } = scenario
  const others = `title not in ('Old', 'Someday')`
  expect(
    await db.query(`select count(*)::int as n, status::text from tasks where ${others} group by 2`),
  ).toEqual([{ n: 7, status: 'DONE' }])
  expect(
    await db.query(`select count(*)::int as n, status::text from stories where ${others} group by 2`),
  ).toEqual([{ n: 3, status: 'DONE' }])
  expect(await db.query(`select title, status::text from tasks where not ${others} order by title`)).toEqual([
    { title: 'Old', status: 'TO_DO' },
    { title: 'Someday', status: 'TO_DO' },
  ])

  for (const story of stories) {
    const logs = await db.query(
      'select type::text, status::text, commit_hash, metadata from story_logs where story_id = $1 order by created_at, id',
      [story.id],
    )
    const ofStory = worked.filter(({ job }) => job.story.id === story.id)
    const plain = { status: null, commit_hash: null, metadata: null }
    expect(logs).toEqual([
      { ...plain, type: 'IMPLEMENTATION_PLAN', metadata: { tasks: story.tasks.map((task) => task.code) } },
      ...ofStory.flatMap(({ job, commit }) => [
        { ...plain, type: 'TEST_RESULT', status: 'PASSED' },
        { ...plain, type: 'COMMIT', commit_hash: commit, metadata: { branch: job.branch_name } },
      ]),
    ])
  }

  const jobs = await db.query('select * from claude_jobs order by created_at, id')
  expect(jobs).toHaveLength(7)
  for (const [index, { job, commit }] of worked.entries()) {
    expect(jobs[index]).toMatchObject({
      ...{ id: job.job_id, task_id: job.task.id, status: 'DONE', verify_result: 'ALIGNED', retry_count: 0 },
      ...{
        branch: job.branch_name,
        base_sha: job.base_sha,
        head_sha: commit,
        lease_until: null,
        error: null,
      },
      ...{ plan_snapshot: job.plan_snapshot, summary: expect.stringMatching(/^Wrote /) },
      ...{ claimed_at: expect.any(Date), started_at: expect.any(Date) },
      ...{ pushed_at: expect.any(Date), finished_at: expect.any(Date) },
    })
  }
  expect(
    await db.query('select question, status, answer, answered_by from claude_questions order by created_at'),
  ).toEqual([
    {
      ...{ question: 'Upper case?', status: 'answered', answer: 'Yes, but only titles' },
      answered_by: scenario.userId,
    },
    { question: 'Which separator?', status: 'answered', answer: 'Semicolon', answered_by: scenario.userId },
  ])
}

async function gitSaysSo(worked: readonly Worked[]): Promise<void> {
  const heads = await git(
    product.origin,
    'for-each-ref',
    '--format=%(refname:short) %(objectname)',
    'refs/heads',
  )
  const branches = heads.split('\n').filter((line) => !line.startsWith('main '))
  expect(branches.sort()).toEqual(worked.map(({ job, commit }) => `${job.branch_name} ${commit}`).sort())
  const files = await git(product.origin, 'ls-tree', '-r', '--name-only', 'main')
  const check = worked[1]?.job.task.code
  expect(files.split('\n').sort()).toEqual(
    ['README.md', 'docs/form.md', `src/${check}.txt`]
      .concat(['csv', 'form', 'index', 'pdf', 'query', 'session'].map((name) => `src/${name}.txt`))
      .sort(),
  )
  // At most a spare for the next job is left.
  expect(await git(product.clone, 'worktree', 'list', '--porcelain')).not.toMatch(/^locked .* job=/m)
  expect((await readdir(machine.worktreeDir)).filter((name) => !name.startsWith('.'))).toEqual([])
}

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
let productId: string
let storyId: string
beforeAll(async () => {
  bench = await workbench()
  owner = await bench.agent()
})
afterAll(() => bench.close())
beforeEach(async () => {
  productId = (await seed.product(bench.db, { user_id: owner.caller.userId })).id
  storyId = (await seed.story(bench.db, { product_id: productId })).id
})

const storyStatus = async () =>
  (await bench.db.query('select status from stories where id = $1', [storyId]))[0]?.status
const setStory = (row: Json) =>
  bench.db.query('update stories set status = $2, sprint_id = $3 where id = $1', [
    storyId,
    row.status,
    row.sprint_id ?? null,
  ])
const set = (task_id: string, status: string) => owner.ok('update_task_status', { task_id, status })

test('update_task_status moves a task and returns its plan', async () => {
  const task = await seed.task(bench.db, { story_id: storyId, implementation_plan: 'plan' })
  await seed.task(bench.db, { story_id: storyId })
  for (const [api, database] of [
    ['in_progress', 'IN_PROGRESS'],
    ['review', 'REVIEW'],
    ['done', 'DONE'],
    ['todo', 'TO_DO'],
  ] as const) {
    const before = await bench.db.query('select updated_at from tasks where id = $1', [task.id])
    expect(await set(task.id, api)).toEqual({
      id: task.id,
      status: api,
      implementation_plan: 'plan',
      story_status_change: null,
    })
    const [row] = await bench.db.query('select status, updated_at from tasks where id = $1', [task.id])
    expect(row).toMatchObject({ status: database })
    expect(row?.updated_at.getTime()).toBeGreaterThanOrEqual(before[0]?.updated_at.getTime())
  }
  expect(await storyStatus()).toBe('OPEN')
  for (const status of ['DONE', 'failed', '', 1]) {
    expect(await owner.fails('update_task_status', { task_id: task.id, status })).toMatch(
      /^VALIDATION_ERROR: status must be one of todo, in_progress, review, done/,
    )
  }
})

test.each(['OPEN', 'IN_SPRINT'])('the last task done promotes the story from %s', async (status) => {
  await setStory({ status })
  const [a, b] = [
    await seed.task(bench.db, { story_id: storyId }),
    await seed.task(bench.db, { story_id: storyId }),
  ]
  expect(await set(a.id, 'done')).toMatchObject({ story_status_change: null })
  expect(await storyStatus()).toBe(status)
  expect(await set(b.id, 'done')).toMatchObject({ story_status_change: 'promoted' })
  expect(await storyStatus()).toBe('DONE')
  expect(await set(b.id, 'done')).toMatchObject({ story_status_change: null })
})

test('a done task taken up again reopens the story: in its sprint, or in the backlog', async () => {
  const task = await seed.task(bench.db, { story_id: storyId, status: 'DONE' })
  const other = await seed.task(bench.db, { story_id: storyId, status: 'REVIEW' })
  await setStory({ status: 'DONE' })
  // The story was closed by hand: a task that was not done changes nothing.
  expect(await set(other.id, 'in_progress')).toMatchObject({ story_status_change: null })
  expect(await storyStatus()).toBe('DONE')
  expect(await set(task.id, 'review')).toMatchObject({ story_status_change: 'demoted' })
  expect(await storyStatus()).toBe('OPEN')
  const sprint = await seed.sprint(bench.db, { product_id: productId })
  await bench.db.query("update tasks set status = 'DONE' where id = $1", [task.id])
  await setStory({ status: 'DONE', sprint_id: sprint.id })
  expect(await set(task.id, 'todo')).toMatchObject({ story_status_change: 'demoted' })
  expect(await storyStatus()).toBe('IN_SPRINT')
})

test('tasks finished at the same moment promote the story exactly once', async () => {
  const tasks = []
  for (let i = 0; i < 8; i += 1) tasks.push(await seed.task(bench.db, { story_id: storyId }))
  const answers = await Promise.all(tasks.map((task) => set(task.id, 'done')))
  expect(answers.filter((answer) => answer.story_status_change === 'promoted')).toHaveLength(1)
  expect(await storyStatus()).toBe('DONE')
})

test('update_task_plan replaces the plan, also by nothing and by a very long one', async () => {
  const task = await seed.task(bench.db, { story_id: storyId, status: 'REVIEW' })
  const plan = (implementation_plan: string) =>
    owner.ok('update_task_plan', { task_id: task.id, implementation_plan })
  expect(await plan('new')).toEqual({ id: task.id, status: 'review', implementation_plan: 'new' })
  expect(await plan('')).toMatchObject({ implementation_plan: '' })
  const long = 'ü'.repeat(100_000)
  const answer = await plan(long)
  expect(Buffer.byteLength(JSON.stringify(answer))).toBeLessThanOrEqual(40_000)
  expect(answer.implementation_plan).toMatch(/more characters, stored in full\]$/)
  expect((await bench.db.query('select implementation_plan from tasks where id = $1', [task.id]))[0]).toEqual(
    {
      implementation_plan: long,
    },
  )
  expect(
    await owner.fails('update_task_plan', { task_id: task.id, implementation_plan: `${long}x` }),
  ).toMatch(/^VALIDATION_ERROR: implementation_plan must have at most 100,000 characters/)
})

test('the log tools write what they say', async () => {
  const metadata = { branch: 'feat/x', list: [1, null, 'ü'], deep: { a: true } }
  const plan = await owner.ok('log_implementation', { story_id: storyId, content: 'plan', metadata })
  const passed = await owner.ok('log_test_result', { story_id: storyId, content: 'tests', status: 'PASSED' })
  const commit = await owner.ok('log_commit', {
    ...{ story_id: storyId, content: 'c', commit_hash: 'abcDEF0', commit_message: 'Do it', model_id: 'x' },
    input_tokens: 3,
  })
  expect(plan).toEqual({ id: expect.any(String), created_at: expect.stringMatching(/Z$/) })
  const rows = await bench.db.query('select * from story_logs where story_id = $1 order by created_at, id', [
    storyId,
  ])
  expect(rows).toHaveLength(3)
  const byId = new Map(rows.map((row) => [row.id, row]))
  expect(byId.get(plan.id)).toMatchObject({
    type: 'IMPLEMENTATION_PLAN',
    content: 'plan',
    metadata,
    status: null,
  })
  expect(byId.get(passed.id)).toMatchObject({ type: 'TEST_RESULT', status: 'PASSED', metadata: null })
  expect(byId.get(commit.id)).toMatchObject({
    type: 'COMMIT',
    commit_hash: 'abcDEF0',
    commit_message: 'Do it',
  })
})

test.each([
  ['log_implementation', { content: '' }, 'content must not be empty'],
  ['log_implementation', { content: 'x', metadata: 'x' }, 'metadata must be an object'],
  ['log_implementation', { content: 'x', metadata: { a: '\0' } }, 'metadata must not contain a NUL'],
  ['log_test_result', { content: 'x' }, 'status '],
  ['log_test_result', { content: 'x', status: 'passed' }, 'status must be one of PASSED, FAILED'],
  ['log_commit', { content: 'x', commit_hash: 'abcdef', commit_message: 'x' }, 'commit_hash must be 7 to 64'],
  [
    'log_commit',
    { content: 'x', commit_hash: 'a'.repeat(65), commit_message: 'x' },
    'commit_hash must be 7 to 64',
  ],
  [
    'log_commit',
    { content: 'x', commit_hash: 'abcdefg', commit_message: 'x' },
    'commit_hash must be 7 to 64',
  ],
  ['log_commit', { content: 'x', commit_hash: 'abcdef0' }, 'commit_message is required'],
])('%s refuses %j', async (name, args, words) => {
  expect(await owner.fails(name, { story_id: storyId, ...args })).toContain(`VALIDATION_ERROR: ${words}`)
  expect(await bench.db.query('select 1 from story_logs where story_id = $1', [storyId])).toEqual([])
})

test('log_commit takes hashes of 7 and of 64 digits', async () => {
  for (const commit_hash of ['abcdef0', 'f'.repeat(64)]) {
    await owner.ok('log_commit', { story_id: storyId, content: 'x', commit_hash, commit_message: 'x' })
  }
})

test('a pull request is linked, merged once, and linked anew', async () => {
  const pbi = await seed.pbi(bench.db, { product_id: productId })
  const args = { pbi_id: pbi.id }
  expect(await owner.fails('mark_pbi_pr_merged', args)).toMatch(/^CONFLICT: no pull request is linked/)
  const pr_url = 'https://github.com/o/r/pull/12'
  expect(await owner.ok('set_pbi_pr', { ...args, pr_url })).toEqual({ ok: true, pbi_id: pbi.id, pr_url })
  const merged = await owner.ok('mark_pbi_pr_merged', args)
  expect(merged).toEqual({ ok: true, pbi_id: pbi.id, pr_url, pr_merged_at: expect.stringMatching(/Z$/) })
  const [clock] = await bench.db.query("select now() at time zone 'utc' as now")
  expect(Math.abs(clock?.now.getTime() - Date.parse(String(merged.pr_merged_at)))).toBeLessThan(60_000)
  expect(await owner.ok('mark_pbi_pr_merged', args)).toEqual(merged)
  await owner.ok('set_pbi_pr', { ...args, pr_url: 'https://git.example.com/a/b/c/pulls/3' })
  const [row] = await bench.db.query('select pr_url, pr_merged_at from pbis where id = $1', [pbi.id])
  expect(row).toEqual({ pr_url: 'https://git.example.com/a/b/c/pulls/3', pr_merged_at: null })
})

test.each([
  'http://github.com/o/r/pull/1',
  'https://github.com/o/r/pull/x',
  'https://github.com/o/r/pull/1/files',
  'https://github.com/o/r/issues/1',
  'https://user:pass@github.com/o/r/pull/1',
  'https://github.com/pull/1 ',
  'javascript:alert(1)//https://x/o/pull/1',
  '',
  'https://github.com/a\0/b/pull/1',
  'https://github.com/a\u200b/b/pull/1',
])('set_pbi_pr refuses %j', async (pr_url) => {
  const pbi = await seed.pbi(bench.db, { product_id: productId })
  expect(await owner.fails('set_pbi_pr', { pbi_id: pbi.id, pr_url })).toMatch(
    /^VALIDATION_ERROR: pr_url must be an https URL/,
  )
})

import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
let productId: string
beforeAll(async () => {
  bench = await workbench()
})
afterAll(() => bench.close())
beforeEach(async () => {
  owner = await bench.agent()
  productId = (await seed.product(bench.db, { user_id: owner.caller.userId, description: 'd', code: 'P' })).id
})

const context = (args: Json = {}) => owner.ok('get_claude_context', { product_id: productId, ...args })

test('list_products: own and member, newest first, no archived, nothing of others', async () => {
  const { userId } = owner.caller
  const foreign = await seed.product(bench.db, { created_at: new Date('2030-01-01') })
  await seed.product(bench.db)
  await seed.product(bench.db, { user_id: userId, archived: true })
  await bench.db.query(`insert into product_members (id, product_id, user_id) values ('m1', $1, $2)`, [
    foreign.id,
    userId,
  ])
  const { products } = await owner.ok('list_products')
  expect(products).toEqual([
    expect.objectContaining({ id: foreign.id }),
    {
      id: productId,
      code: 'P',
      name: expect.any(String),
      description: 'd',
      repo_url: null,
      definition_of_done: 'Tests pass.',
    },
  ])
})

test('list_products stays short: long texts are cut, then entries are counted', async () => {
  const row = {
    user_id: owner.caller.userId,
    definition_of_done: 'x'.repeat(30_000),
    description: 'y'.repeat(30_000),
  }
  for (let i = 0; i < 30; i += 1) await seed.product(bench.db, row)
  const answer = await owner.ok('list_products')
  expect(JSON.stringify(answer).length).toBeLessThanOrEqual(40_000)
  const shown = Array.isArray(answer.products) ? answer.products.length : 0
  expect(shown).toBeGreaterThan(5)
  expect(answer.omitted).toMatchObject({
    count: 31 - shown,
    how: expect.stringContaining('get_claude_context'),
  })
})

test('get_claude_context: nothing but the product', async () => {
  expect(await context()).toEqual({
    product: expect.objectContaining({ id: productId, definition_of_done: 'Tests pass.' }),
    active_sprint: null,
    next_story: null,
    open_todos: [],
  })
})

test('get_claude_context: the newest active sprint, the first story with work, tasks in order', async () => {
  const inSprint = async (goal: string, row: Json) =>
    seed.sprint(bench.db, { product_id: productId, sprint_goal: goal, ...row })
  await inSprint('old', { created_at: new Date('2026-01-01') })
  const sprint = await inSprint('new', { created_at: new Date('2026-02-01') })
  await inSprint('over', { created_at: new Date('2026-03-01'), status: 'COMPLETED' })
  const story = (row: Json) => seed.story(bench.db, { product_id: productId, sprint_id: sprint.id, ...row })
  await story({ sort_order: 1, status: 'DONE' })
  const finished = await story({ sort_order: 2, status: 'IN_SPRINT' })
  await seed.task(bench.db, { story_id: finished.id, status: 'DONE' })
  const next = await story({ sort_order: 3, status: 'IN_SPRINT', priority: 4, acceptance_criteria: 'a' })
  await story({ sort_order: 4, priority: 1 })
  const task = (row: Json) => seed.task(bench.db, { story_id: next.id, ...row })
  const at = (day: number) => new Date(Date.UTC(2026, 0, day))
  const third = await task({ sort_order: 2, created_at: at(3) })
  const second = await task({ sort_order: 2, created_at: at(2), status: 'DONE' })
  const first = await task({ sort_order: 1, created_at: at(9), priority: 4, status: 'IN_PROGRESS' })
  const answer = await context()
  expect(answer.active_sprint).toEqual({ id: sprint.id, sprint_goal: 'new', status: 'ACTIVE' })
  expect(answer.next_story).toMatchObject({
    id: next.id,
    status: 'in_sprint',
    acceptance_criteria: 'a',
    tasks: [
      { id: first.id, status: 'in_progress', implementation_plan: 'Do it.' },
      { id: second.id, status: 'done' },
      { id: third.id, status: 'todo' },
    ],
  })
})

test('get_claude_context: a story without tasks has work left; the same place is decided by time, then id', async () => {
  const sprint = await seed.sprint(bench.db, { product_id: productId })
  const row = {
    product_id: productId,
    sprint_id: sprint.id,
    sort_order: 1,
    created_at: new Date('2026-01-01'),
  }
  await seed.story(bench.db, { ...row, id: `zz${productId}` })
  await seed.story(bench.db, { ...row, id: `aa${productId}` })
  await seed.story(bench.db, { ...row, created_at: new Date('2026-01-02') })
  expect((await context()).next_story).toMatchObject({ id: `aa${productId}`, status: 'open', tasks: [] })
})

test('get_claude_context: own open todos, for the product or for none', async () => {
  const other = await seed.product(bench.db, { user_id: owner.caller.userId })
  const mine = await owner.ok('create_todo', { title: 'of this product', product_id: productId })
  const plain = await owner.ok('create_todo', { title: 'of none', description: 'x'.repeat(2_000) })
  await owner.ok('create_todo', { title: 'of another', product_id: other.id })
  const done = await owner.ok('create_todo', { title: 'done' })
  await bench.db.query('update todos set done = true where id = $1', [done.id])
  const stranger = await bench.agent()
  await stranger.ok('create_todo', { title: 'not yours' })
  expect((await context()).open_todos).toEqual([
    { id: mine.id, title: 'of this product', description: null, created_at: mine.created_at },
    { id: plain.id, title: 'of none', description: 'x'.repeat(2_000), created_at: plain.created_at },
  ])
  expect(await owner.fails('create_todo', { title: '' })).toMatch(/^VALIDATION_ERROR: title/)
  expect(await owner.fails('create_todo', { title: 'x', description: 'x'.repeat(2_001) })).toMatch(
    /^VALIDATION_ERROR: d/,
  )
})

test('get_claude_context: a story of 60 long tasks is cut with a count', async () => {
  const sprint = await seed.sprint(bench.db, { product_id: productId })
  const story = await seed.story(bench.db, { product_id: productId, sprint_id: sprint.id })
  const long = { implementation_plan: 'p'.repeat(8_000), description: 'd'.repeat(4_000) }
  for (let i = 0; i < 60; i += 1)
    await seed.task(bench.db, { story_id: story.id, sort_order: i, title: `task ${i}`, ...long })
  const answer = await context()
  expect(JSON.stringify(answer).length).toBeLessThanOrEqual(40_000)
  expect(answer.omitted).toMatchObject({
    count: expect.any(Number),
    how: expect.stringMatching(/^\d+ tasks and 0 todos/),
  })
  expect(answer.next_story).toMatchObject({
    tasks: expect.arrayContaining([expect.objectContaining({ title: 'task 0' })]),
  })
})

test('check_queue_empty counts queued, claimed and running jobs of the user alone', async () => {
  expect(await owner.ok('check_queue_empty')).toEqual({ empty: true, remaining: 0, by_product: {} })
  const other = await seed.product(bench.db, { user_id: owner.caller.userId })
  for (const status of ['QUEUED', 'CLAIMED', 'RUNNING', 'DONE', 'FAILED', 'CANCELLED', 'SKIPPED']) {
    await seed.job(bench.db, { product_id: productId, status })
  }
  await seed.job(bench.db, { product_id: other.id })
  await seed.job(bench.db, { product_id: productId, user_id: (await bench.agent()).caller.userId })
  expect(await owner.ok('check_queue_empty')).toEqual({
    empty: false,
    remaining: 4,
    by_product: { [productId]: 3, [other.id]: 1 },
  })
  expect(await owner.ok('check_queue_empty', { product_id: other.id })).toEqual({
    empty: false,
    remaining: 1,
  })
})

test('dispatch_job queues one job, notifies, and refuses a second while it is active', async () => {
  const task = await seed.task(bench.db, { product_id: productId })
  const heard: Json[] = []
  const end = bench.listen((change) => heard.push(change))
  const [first, second] = await Promise.all([
    owner.call('dispatch_job', { task_id: task.id }),
    owner.call('dispatch_job', { task_id: task.id }),
  ])
  expect([first.isError, second.isError].filter(Boolean)).toHaveLength(1)
  const [job] = await bench.db.query('select * from claude_jobs where task_id = $1', [task.id])
  expect(job).toMatchObject({
    user_id: owner.caller.userId,
    product_id: productId,
    status: 'QUEUED',
    retry_count: 0,
  })
  const user_id = owner.caller.userId
  await expect
    .poll(() => heard)
    .toEqual([{ type: 'claude_job_enqueued', user_id, product_id: productId, job_id: job?.id }])
  end()
  for (const status of ['CLAIMED', 'RUNNING']) {
    await bench.db.query('update claude_jobs set status = $2 where id = $1', [job?.id, status])
    expect(await owner.fails('dispatch_job', { task_id: task.id })).toMatch(
      /^CONFLICT: .*already has an active job \(c/,
    )
  }
  await bench.db.query("update claude_jobs set status = 'DONE' where id = $1", [job?.id])
  expect(await owner.ok('dispatch_job', { task_id: task.id })).toMatchObject({ status: 'queued' })
})

test("dispatch_job does not name another user's job", async () => {
  const task = await seed.task(bench.db, { product_id: productId })
  const job = await seed.job(bench.db, { task_id: task.id, user_id: (await bench.agent()).caller.userId })
  expect(await owner.fails('dispatch_job', { task_id: task.id })).not.toContain(job.id)
})

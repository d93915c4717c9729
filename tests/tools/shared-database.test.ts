import { afterAll, beforeAll, expect, test } from 'vitest'
import { allTools } from '../../daemon/tools/all-tools.ts'
import { catalog } from '../../daemon/tools/catalog.ts'
import { anotherScrum4Me } from '../support/another-scrum4me.ts'
import { type TestDatabase, testDatabase } from '../support/postgres.ts'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

let db: TestDatabase
let one: Workbench
let two: Workbench
let owner: Agent
let member: Agent
beforeAll(async () => {
  db = await testDatabase()
  await anotherScrum4Me(db)
  one = await workbench({ db })
  two = await workbench({ db })
  for (const bench of [one, two]) bench.missingTables.add('todos')
  owner = await one.agent()
  member = await two.agent()
})
afterAll(async () => {
  await one?.close()
  await two?.close()
  await db?.drop()
})

test('two daemons on such a database do everything but todos', async () => {
  const product = await seed.product(db, { user_id: owner.caller.userId })
  await db.query(`insert into product_members (id, product_id, user_id) values ('m', $1, $2)`, [
    product.id,
    member.caller.userId,
  ])
  await seed.sprint(db, { product_id: product.id, status: 'CLOSED', created_at: new Date('2031-01-01') })
  const sprint = await seed.sprint(db, { product_id: product.id, status: 'OPEN' })
  const pbi = await owner.ok('create_pbi', { product_id: product.id, title: 'p', priority: 1 })
  await db.query(`update pbis set status = 'FAILED' where id = $1`, [pbi.id])
  const story = await member.ok('create_story', { pbi_id: pbi.id, title: 's', priority: 1 })
  await db.query(`update stories set sprint_id = $2, status = 'IN_SPRINT' where id = $1`, [
    story.id,
    sprint.id,
  ])
  const task = await owner.ok('create_task', { story_id: story.id, title: 't', priority: 1 })
  const odd = await member.ok('create_task', { story_id: story.id, title: 'odd', priority: 1 })
  expect([pbi.code, story.code, task.code, odd.code]).toEqual(['PBI-1', 'ST-001', 'T-1', 'T-2'])
  await db.query(`update tasks set status = 'EXCLUDED' where id = $1`, [odd.id])
  const context = await owner.ok('get_claude_context', { product_id: product.id })
  expect(context).toMatchObject({
    active_sprint: { id: sprint.id, status: 'OPEN' },
    next_story: { id: story.id, tasks: [{ status: 'todo' }, { status: 'excluded' }] },
    open_todos: [],
  })
  expect(await member.ok('update_task_plan', { task_id: odd.id, implementation_plan: 'x' })).toMatchObject({
    status: 'excluded',
  })
  await owner.ok('update_task_status', { task_id: task.id, status: 'done' })
  await db.query(`update stories set status = 'BLOCKED' where id = $1`, [story.id])
  expect(await owner.ok('update_task_status', { task_id: odd.id, status: 'done' })).toMatchObject({
    story_status_change: 'promoted',
  })
  await db.query(
    `insert into story_logs (id, story_id, type, content, status) values ('n', $1, 'NOTE', 'x', 'FLAKY')`,
    [story.id],
  )
  await owner.ok('log_test_result', { story_id: story.id, content: 'x', status: 'PASSED' })
  await member.ok('log_implementation', { story_id: story.id, content: 'x' })
  const question = await owner.ok('ask_user_question', { story_id: story.id, question: 'q' })
  expect(await member.ok('get_question_answer', { question_id: question.question_id })).toMatchObject({
    status: 'open',
  })
  expect(await owner.ok('list_products')).toMatchObject({ products: [{ id: product.id }] })
  await owner.ok('set_pbi_pr', { pbi_id: pbi.id, pr_url: 'https://github.com/o/r/pull/1' })
  await owner.ok('mark_pbi_pr_merged', { pbi_id: pbi.id })
  const job = await owner.ok('dispatch_job', { task_id: task.id })
  await db.query(`update claude_jobs set status = 'PAUSED' where id = $1`, [job.job_id])
  expect(await owner.ok('check_queue_empty')).toMatchObject({ remaining: 0 })
})

test('a story in a state we do not know is not the next one', async () => {
  const product = await seed.product(db, { user_id: owner.caller.userId })
  const sprint = await seed.sprint(db, { product_id: product.id, status: 'OPEN' })
  await seed.story(db, { product_id: product.id, sprint_id: sprint.id, status: 'BLOCKED' })
  expect(await owner.ok('get_claude_context', { product_id: product.id })).toMatchObject({ next_story: null })
})

test('create_todo is not in the catalog there', () => {
  const names = catalog(allTools, one.missingTables).tools.map((tool) => tool.name)
  expect(names).not.toContain('create_todo')
  expect(names).toHaveLength(allTools.length - 1)
})

test('a table that disappears under a call is named, and nothing is half done', async () => {
  const product = await seed.product(db, { user_id: owner.caller.userId })
  await db.query('alter table story_logs rename to story_logs_away')
  try {
    const story: Json = await seed.story(db, { product_id: product.id })
    expect(await owner.fails('log_implementation', { story_id: story.id, content: 'x' })).toMatch(
      /^DATABASE_UNAVAILABLE: A table or column that is needed is missing/,
    )
  } finally {
    await db.query('alter table story_logs_away rename to story_logs')
  }
})

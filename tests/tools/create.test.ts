import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { createPbi } from '../../daemon/backlog/create-pbi.ts'
import { createStory } from '../../daemon/backlog/create-story.ts'
import { createTask } from '../../daemon/backlog/create-task.ts'
import { PrismaClient } from '../../daemon/db/generated/client.ts'
import { seed } from '../support/seed.ts'
import { type Agent, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
let productId: string
beforeAll(async () => {
  bench = await workbench()
  owner = await bench.agent()
})
afterAll(() => bench.close())
beforeEach(async () => {
  productId = (await seed.product(bench.db, { user_id: owner.caller.userId })).id
})

test('a PBI, its story and its task get codes, places and what they inherit', async () => {
  const pbi = await owner.ok('create_pbi', { product_id: productId, title: 'Goal', priority: 2 })
  expect(pbi).toEqual({
    id: expect.any(String),
    code: 'PBI-1',
    title: 'Goal',
    description: null,
    priority: 2,
    sort_order: 1,
    created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  })
  const story = await owner.ok('create_story', {
    pbi_id: pbi.id,
    title: 'Story',
    description: 'why',
    acceptance_criteria: 'it works',
    priority: 1,
  })
  expect(story).toMatchObject({ code: 'ST-001', acceptance_criteria: 'it works', status: 'OPEN' })
  const sprint = await seed.sprint(bench.db, { product_id: productId })
  await bench.db.query('update stories set sprint_id = $1 where id = $2', [sprint.id, story.id])
  const task = await owner.ok('create_task', {
    story_id: story.id,
    title: 'Task',
    implementation_plan: 'edit a.ts',
    priority: 4,
  })
  expect(task).toMatchObject({
    code: 'T-1',
    status: 'TO_DO',
    implementation_plan: 'edit a.ts',
    sort_order: 1,
  })
  const [row] = await bench.db.query('select * from tasks where id = $1', [task.id])
  expect(row).toMatchObject({ product_id: productId, story_id: story.id, sprint_id: sprint.id })
})

test('a new item follows its own siblings; codes count through the product', async () => {
  const pbi = await seed.pbi(bench.db, { product_id: productId, code: 'PBI-9', sort_order: 40 })
  const other = await seed.pbi(bench.db, { product_id: productId, code: 'my own', sort_order: 7 })
  expect(await owner.ok('create_pbi', { product_id: productId, title: 'x', priority: 1 })).toMatchObject({
    code: 'PBI-10',
    sort_order: 41,
  })
  await seed.story(bench.db, { pbi_id: pbi.id, product_id: productId, code: 'ST-1203', sort_order: -3 })
  expect(await owner.ok('create_story', { pbi_id: pbi.id, title: 'x', priority: 1 })).toMatchObject({
    code: 'ST-1204',
    sort_order: -2,
  })
  expect(await owner.ok('create_story', { pbi_id: other.id, title: 'x', priority: 1 })).toMatchObject({
    code: 'ST-1205',
    sort_order: 1,
  })
})

test('limits hold at their edges', async () => {
  const edge = { product_id: productId, title: 'x'.repeat(200), description: 'd'.repeat(4000), priority: 4 }
  const pbi = await owner.ok('create_pbi', edge)
  expect(pbi).toMatchObject({ title: edge.title, description: edge.description, priority: 4 })
  const over = async (name: string, args: object, words: string) =>
    expect(await owner.fails(name, args)).toMatch(new RegExp(`^VALIDATION_ERROR: .*${words}`))
  await over('create_pbi', { ...edge, title: 'x'.repeat(201) }, 'title must have at most 200 characters')
  await over('create_pbi', { ...edge, title: '' }, 'title must not be empty')
  await over('create_pbi', { ...edge, description: 'd'.repeat(4001) }, 'description .*at most 4,000')
  await over('create_pbi', { ...edge, priority: 0 }, 'priority must be at least 1')
  await over('create_pbi', { ...edge, priority: 5 }, 'priority must be at most 4')
  await over('create_pbi', { ...edge, priority: 1.5 }, 'priority must be a whole number')
  await over('create_pbi', { ...edge, priority: '1' }, 'priority must be a')
  await over('create_pbi', { ...edge, title: 'a\0b' }, 'title must not contain a NUL')
  await over('create_pbi', { ...edge, colour: 1 }, 'colour is not an argument')
  const story = { pbi_id: pbi.id, title: 's', priority: 1, acceptance_criteria: 'a'.repeat(4000) }
  const { id } = await owner.ok('create_story', story)
  await over('create_story', { ...story, acceptance_criteria: 'a'.repeat(4001) }, 'acceptance_criteria')
  const task = { story_id: id, title: 't', priority: 1, implementation_plan: 'p'.repeat(8000) }
  await owner.ok('create_task', task)
  await over('create_task', { ...task, implementation_plan: 'p'.repeat(8001) }, 'implementation_plan')
})

test('60 concurrent creates of each kind, over four daemons with two connections each, all succeed', async () => {
  const pools = Array.from({ length: 4 }, () => new pg.Pool({ connectionString: bench.db.url, max: 2 }))
  const daemons = pools.map((pool) => new PrismaClient({ adapter: new PrismaPg(pool) }))
  try {
    const backlogs = daemons.map((prisma) => ({ prisma, caller: owner.caller }))
    const pbi = await seed.pbi(bench.db, { product_id: productId, code: 'a', sort_order: 0 })
    const story = await seed.story(bench.db, {
      pbi_id: pbi.id,
      product_id: productId,
      code: 'a',
      sort_order: 0,
    })
    const blank = { title: 'x', description: undefined, priority: 1 }
    await Promise.all(
      Array.from({ length: 60 }, (_, i) => backlogs[i % 4]!).flatMap((backlog) => [
        createPbi(backlog, { ...blank, productId }),
        createStory(backlog, { ...blank, pbiId: pbi.id, acceptanceCriteria: undefined }),
        createTask(backlog, { ...blank, storyId: story.id, implementationPlan: undefined }),
      ]),
    )
    for (const [table, prefix, width] of [
      ['pbis', 'PBI-', 1],
      ['stories', 'ST-', 3],
      ['tasks', 'T-', 1],
    ] as const) {
      const rows = await bench.db.query(
        `select code, sort_order from ${table} where product_id = $1 and code <> 'a' order by sort_order`,
        [productId],
      )
      const expected = Array.from({ length: 60 }, (_, i) => ({
        code: prefix + String(i + 1).padStart(width, '0'),
        sort_order: i + 1,
      }))
      expect(rows).toEqual(expected)
    }
  } finally {
    await Promise.all(daemons.map((daemon) => daemon.$disconnect()))
    await Promise.all(pools.map((pool) => pool.end()))
  }
})

/** Who waits for a lock in this test's database; the server has those of other tests, too. */
const WAITING_HERE = `select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`

test('a writer that takes no lock collides, and the create takes the next number', async () => {
  const foreign = new pg.Client({ connectionString: bench.db.url })
  await foreign.connect()
  try {
    await foreign.query('begin')
    await foreign.query(
      `insert into pbis (id, product_id, code, title, priority, sort_order, updated_at)
       values ('foreign', $1, 'PBI-1', 'x', 1, 1, now())`,
      [productId],
    )
    // Our insert of PBI-1 now waits for the foreign transaction, and fails once that commits.
    const ours = owner.ok('create_pbi', { product_id: productId, title: 'y', priority: 1 })
    await expect.poll(() => bench.db.query(WAITING_HERE)).toHaveLength(1)
    await foreign.query('commit')
    expect(await ours).toMatchObject({ code: 'PBI-2', sort_order: 2 })
  } finally {
    await foreign.end()
  }
})

test('a parent deleted meanwhile is a conflict, nothing is created', async () => {
  const story = await seed.story(bench.db, { product_id: productId })
  const foreign = new pg.Client({ connectionString: bench.db.url })
  await foreign.connect()
  try {
    await foreign.query('begin')
    await foreign.query('select 1 from products where id = $1 for update', [productId])
    await foreign.query('delete from pbis where id = $1', [story.pbi_id])
    const ours = owner.fails('create_story', { pbi_id: story.pbi_id, title: 'y', priority: 1 })
    await expect.poll(() => bench.db.query(WAITING_HERE)).not.toHaveLength(0)
    await foreign.query('commit')
    expect(await ours).toMatch(/^CONFLICT: /)
  } finally {
    await foreign.end()
  }
})

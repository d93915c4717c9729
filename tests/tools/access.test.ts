import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

interface Ids {
  readonly product: string
  readonly pbi: string
  readonly story: string
  readonly task: string
  readonly question: string
}

type Entity = 'Product' | 'PBI' | 'Story' | 'Task' | 'Question'

interface Row {
  readonly tool: string
  /** The argument that decides access, and what it names. */
  readonly argument: string
  readonly entity: Entity
  readonly args: Json
  readonly writes: boolean
}

/** Every tool that names something of a product. */
const TABLE: readonly (readonly [string, string, Entity, Json, boolean])[] = [
  ['get_claude_context', 'product_id', 'Product', {}, false],
  ['check_queue_empty', 'product_id', 'Product', {}, false],
  ['create_pbi', 'product_id', 'Product', { title: 'x', priority: 1 }, true],
  ['create_todo', 'product_id', 'Product', { title: 'x' }, true],
  ['create_story', 'pbi_id', 'PBI', { title: 'x', priority: 1 }, true],
  ['set_pbi_pr', 'pbi_id', 'PBI', { pr_url: 'https://github.com/o/r/pull/1' }, true],
  ['mark_pbi_pr_merged', 'pbi_id', 'PBI', {}, true],
  ['create_task', 'story_id', 'Story', { title: 'x', priority: 1 }, true],
  ['log_implementation', 'story_id', 'Story', { content: 'x' }, true],
  ['log_test_result', 'story_id', 'Story', { content: 'x', status: 'PASSED' }, true],
  ['log_commit', 'story_id', 'Story', { content: 'x', commit_hash: 'abcdef0', commit_message: 'x' }, true],
  ['ask_user_question', 'story_id', 'Story', { question: 'x' }, true],
  ['list_open_questions', 'story_id', 'Story', {}, false],
  ['update_task_status', 'task_id', 'Task', { status: 'review' }, true],
  ['update_task_plan', 'task_id', 'Task', { implementation_plan: 'x' }, true],
  ['dispatch_job', 'task_id', 'Task', {}, true],
  ['verify_task_against_plan', 'task_id', 'Task', {}, false],
  ['get_question_answer', 'question_id', 'Question', {}, false],
  ['cancel_question', 'question_id', 'Question', {}, true],
]
const ROWS: readonly Row[] = TABLE.map(([tool, argument, entity, args, writes]) => {
  return { tool, argument, entity, args, writes }
})

let bench: Workbench
let owner: Agent
let member: Agent
let stranger: Agent
let demoOwner: Agent
let demoMember: Agent
beforeAll(async () => {
  bench = await workbench()
  owner = await bench.agent()
  member = await bench.agent()
  stranger = await bench.agent()
  demoOwner = await bench.agent({ is_demo: true })
  demoMember = await bench.agent({ is_demo: true })
  // The stranger has a product too: whoever has nothing would be refused by mistakes as well.
  await makeProduct(stranger, [])
})
afterAll(() => bench.close())

async function makeProduct(of: Agent, members: readonly Agent[]): Promise<Ids> {
  const product = await seed.product(bench.db, { user_id: of.caller.userId })
  for (const { caller } of members) {
    await bench.db.query('insert into product_members (id, product_id, user_id) values ($1, $2, $3)', [
      `${product.id}-${caller.userId}`,
      product.id,
      caller.userId,
    ])
  }
  const pbi = await seed.pbi(bench.db, { product_id: product.id, pr_url: 'https://github.com/o/r/pull/1' })
  const story = await seed.story(bench.db, { pbi_id: pbi.id })
  const task = await seed.task(bench.db, { story_id: story.id })
  const question = `q-${product.id}`
  await bench.db.query(
    `insert into claude_questions (id, story_id, product_id, asked_by, question, expires_at)
     values ($1, $2, $3, $4, 'q', now() + interval '1 day')`,
    [question, story.id, product.id, of.caller.userId],
  )
  return { product: product.id, pbi: pbi.id, story: story.id, task: task.id, question }
}

/** Everything in the database that a tool could have changed. */
async function fingerprint(): Promise<unknown> {
  const tables = [
    'products',
    'pbis',
    'stories',
    'story_logs',
    'tasks',
    'claude_jobs',
    'claude_questions',
    'todos',
  ]
  const sums = tables.map(
    (table) => `(select md5(coalesce(string_agg(x::text, '|' order by x::text), '')) from ${table} x)`,
  )
  return bench.db.query(`select ${sums.map((sum, index) => `${sum} as c${index}`).join(', ')}`)
}

const idOf = (ids: Ids, entity: Entity) =>
  ({ Product: ids.product, PBI: ids.pbi, Story: ids.story, Task: ids.task, Question: ids.question })[entity]

describe.each(ROWS)('$tool by $argument', ({ tool, argument, entity, args, writes }) => {
  const allowed = async (agent: Agent, ids: Ids) => {
    const result = await agent.call(tool, { ...args, [argument]: idOf(ids, entity) })
    if (!result.isError) return
    // Refusals that come after access: no job to verify, somebody else's question.
    expect(result.content).toMatchObject([
      { text: expect.stringMatching(/^CONFLICT: no job|^PERMISSION_DENIED: only who asked/) },
    ])
  }

  test('owner and member may', async () => {
    const ids = await makeProduct(owner, [member])
    await allowed(member, ids)
    await allowed(owner, await makeProduct(owner, []))
  })

  test('strangers read the same as for what does not exist, whatever the form of the id, and nothing changes', async () => {
    const ids = await makeProduct(owner, [member])
    const before = await fingerprint()
    for (const id of [idOf(ids, entity), 'cnothing', '', '../x', "'; drop table tasks; --", '%', 'ü😀']) {
      expect(await stranger.fails(tool, { ...args, [argument]: id })).toBe(
        `NOT_FOUND: ${entity} ${id} not found or not accessible. Check the id; nothing was changed.`,
      )
    }
    for (const id of ['a\0b', 'x'.repeat(100_000)]) {
      expect(await stranger.fails(tool, { ...args, [argument]: id })).toMatch(/^NOT_FOUND: /)
    }
    expect(await fingerprint()).toEqual(before)
  })

  test('ids of another kind are not found', async () => {
    const ids = await makeProduct(owner, [])
    for (const id of Object.values(ids)) {
      if (id === idOf(ids, entity)) continue
      expect(await owner.fails(tool, { ...args, [argument]: id })).toMatch(/^NOT_FOUND: /)
    }
  })

  test('demo users read, and are refused every write', async () => {
    for (const [agent, ids] of [
      [demoOwner, await makeProduct(demoOwner, [])],
      [demoMember, await makeProduct(owner, [demoMember])],
    ] as const) {
      const before = await fingerprint()
      if (writes) {
        expect(await agent.fails(tool, { ...args, [argument]: idOf(ids, entity) })).toMatch(
          /^PERMISSION_DENIED: demo users/,
        )
      } else await allowed(agent, ids)
      expect(await fingerprint()).toEqual(before)
    }
  })
})

test('a demo user cannot probe for ids by writing', async () => {
  const ids = await makeProduct(owner, [])
  for (const { tool, argument, entity, args, writes } of ROWS) {
    if (!writes) continue
    const real = await demoOwner.fails(tool, { ...args, [argument]: idOf(ids, entity) })
    expect(await demoOwner.fails(tool, { ...args, [argument]: 'cnothing' })).toBe(real)
  }
  expect(await demoOwner.fails('create_todo', { title: 'x' })).toMatch(/^PERMISSION_DENIED: /)
})

test('who is no longer a member is a stranger at once', async () => {
  const ids = await makeProduct(owner, [member])
  await member.ok('update_task_plan', { task_id: ids.task, implementation_plan: 'x' })
  await bench.db.query('delete from product_members where product_id = $1', [ids.product])
  expect(await member.fails('update_task_plan', { task_id: ids.task, implementation_plan: 'y' })).toMatch(
    /^NOT_FOUND: Task/,
  )
})

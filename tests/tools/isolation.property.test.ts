import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, textOf, type Workbench, workbench } from './workbench.ts'

/**
 * Two users and a demo user call tools at random, with ids of their own, of each other, of a shared product and
 * made up. Whatever they do: nobody is shown anything of a product that is not theirs, and no row of it changes.
 */
const RUNS = process.env.SCRUM4ME_TEST_LONG === '1' ? 200 : 8
const CALLS = 40

let bench: Workbench
beforeAll(async () => {
  bench = await workbench()
})
afterAll(() => bench.close())

interface Holding {
  /** A word that stands in every text of the product and nowhere else. */
  readonly mark: string
  readonly productId: string
  readonly ids: readonly string[]
}

const KINDS = ['product_id', 'pbi_id', 'story_id', 'task_id', 'question_id'] as const

async function holding(agent: Agent, name: string): Promise<Holding> {
  const mark = `mark${name}${Math.random().toString(36).slice(2)}`
  const product = await seed.product(bench.db, {
    user_id: agent.caller.userId,
    name: `${mark} p`,
    description: mark,
  })
  const sprint = await seed.sprint(bench.db, { product_id: product.id, sprint_goal: mark })
  const pbi = await seed.pbi(bench.db, {
    product_id: product.id,
    title: mark,
    pr_url: `https://x/${mark}/pull/1`,
  })
  const story = await seed.story(bench.db, {
    pbi_id: pbi.id,
    title: mark,
    sprint_id: sprint.id,
    acceptance_criteria: mark,
  })
  const task = await seed.task(bench.db, { story_id: story.id, title: mark, implementation_plan: mark })
  await seed.job(bench.db, { task_id: task.id })
  const question = `q-${product.id}`
  await bench.db.query(
    `insert into claude_questions (id, story_id, product_id, asked_by, question, expires_at)
     values ($1, $2, $3, $4, $5, now() + interval '1 day')`,
    [question, story.id, product.id, agent.caller.userId, mark],
  )
  await bench.db.query(
    `insert into todos (id, user_id, product_id, title, updated_at) values ($1, $2, $3, $4, now())`,
    [`t-${product.id}`, agent.caller.userId, product.id, mark],
  )
  return { mark, productId: product.id, ids: [product.id, pbi.id, story.id, task.id, question] }
}

/** Rows of a product, as they stand. */
async function snapshot(productId: string): Promise<unknown> {
  const parts = [
    'products x where x.id = $1',
    ...['pbis', 'stories', 'tasks', 'sprints', 'claude_jobs', 'claude_questions', 'todos'].map(
      (table) => `${table} x where x.product_id = $1`,
    ),
    'story_logs x join stories s on s.id = x.story_id where s.product_id = $1',
  ]
  return bench.db.query(
    `${parts.map((part) => `select x::text as row from ${part}`).join(' union all ')} order by 1`,
    [productId],
  )
}

const call = fc.record({
  who: fc.constantFrom('anna', 'bert', 'demo'),
  tool: fc.constantFrom(
    ...[
      'list_products',
      'get_claude_context',
      'check_queue_empty',
      'create_todo',
      'create_pbi',
      'create_story',
    ],
    ...[
      'create_task',
      'update_task_status',
      'update_task_plan',
      'log_implementation',
      'log_test_result',
      'log_commit',
    ],
    ...['ask_user_question', 'get_question_answer', 'list_open_questions', 'cancel_question', 'set_pbi_pr'],
    ...['mark_pbi_pr_merged', 'dispatch_job', 'verify_task_against_plan'],
  ),
  // Whose id is sent, and sometimes an id of the wrong kind.
  from: fc.constantFrom('anna', 'bert', 'demo', 'shared', 'nobody'),
  kind: fc.option(fc.constantFrom(...KINDS), { freq: 8 }),
  text: fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 20 })
    .map((text) => text.replaceAll('\0', '0')),
  status: fc.constantFrom('todo', 'in_progress', 'review', 'done'),
  second: fc.constantFrom('anna', 'bert', 'shared'),
})
type Call = typeof call extends fc.Arbitrary<infer T> ? T : never

/** Arguments of each tool; `id` gives the id of a kind from where the call takes it. */
function argumentsOf(step: Call, id: (kind: (typeof KINDS)[number], from?: string) => string): Json {
  const { text, status } = step
  const make: Record<string, () => Json> = {
    list_products: () => ({}),
    get_claude_context: () => ({ product_id: id('product_id') }),
    check_queue_empty: () => ({ product_id: id('product_id') }),
    create_todo: () => ({ title: text, product_id: id('product_id') }),
    create_pbi: () => ({ product_id: id('product_id'), title: text, priority: 1 }),
    create_story: () => ({ pbi_id: id('pbi_id'), title: text, priority: 2 }),
    create_task: () => ({ story_id: id('story_id'), title: text, priority: 3 }),
    update_task_status: () => ({ task_id: id('task_id'), status }),
    update_task_plan: () => ({ task_id: id('task_id'), implementation_plan: text }),
    log_implementation: () => ({ story_id: id('story_id'), content: text }),
    log_test_result: () => ({ story_id: id('story_id'), content: text, status: 'PASSED' }),
    log_commit: () => ({
      story_id: id('story_id'),
      content: text,
      commit_hash: 'abcdef0',
      commit_message: text,
    }),
    ask_user_question: () => ({
      story_id: id('story_id'),
      question: text,
      task_id: id('task_id', step.second),
    }),
    get_question_answer: () => ({ question_id: id('question_id') }),
    list_open_questions: () => ({ story_id: id('story_id') }),
    cancel_question: () => ({ question_id: id('question_id') }),
    set_pbi_pr: () => ({ pbi_id: id('pbi_id'), pr_url: 'https://github.com/o/r/pull/9' }),
    mark_pbi_pr_merged: () => ({ pbi_id: id('pbi_id') }),
    dispatch_job: () => ({ task_id: id('task_id') }),
    verify_task_against_plan: () => ({ task_id: id('task_id'), worktree_path: '/' }),
  }
  return make[step.tool]?.() ?? {}
}

test('random calls never show or change what they must not', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(call, { minLength: CALLS, maxLength: CALLS }), async (steps) => {
      const agents = new Map([
        ['anna', await bench.agent()],
        ['bert', await bench.agent()],
        ['demo', await bench.agent({ is_demo: true })],
      ])
      const holdings = new Map<string, Holding>()
      for (const [name, agent] of agents) holdings.set(name, await holding(agent, name))
      const shared = await holding(agents.get('anna')!, 'shared')
      holdings.set('shared', shared)
      for (const name of ['bert', 'demo']) {
        await bench.db.query('insert into product_members (id, product_id, user_id) values ($1, $2, $3)', [
          `m-${name}-${shared.productId}`,
          shared.productId,
          agents.get(name)?.caller.userId,
        ])
      }
      for (const step of steps) {
        const agent = agents.get(step.who)!
        const id = (kind: (typeof KINDS)[number], from: string = step.from) =>
          holdings.get(from)?.ids[KINDS.indexOf(step.kind ?? kind)] ?? `c${step.text}`
        const foreign = [...holdings].filter(([name]) => name !== step.who && name !== 'shared')
        const mine = step.who === 'demo' ? [...holdings] : foreign
        const before = await Promise.all(mine.map(([, { productId }]) => snapshot(productId)))
        const args = argumentsOf(step, id)
        const result = await agent.call(step.tool, args)
        const text = textOf(result)
        expect(text).not.toMatch(/^INTERNAL/)
        for (const [, { mark }] of foreign) expect(text).not.toContain(mark)
        if (result.isError) {
          // An error may repeat what was sent, and name nobody else.
          const sent = JSON.stringify(args)
          for (const [name, other] of agents) {
            if (name !== step.who && !sent.includes(other.caller.userId))
              expect(text).not.toContain(other.caller.userId)
          }
        }
        expect(await Promise.all(mine.map(([, { productId }]) => snapshot(productId)))).toEqual(before)
      }
    }),
    { numRuns: RUNS, endOnFailure: true },
  )
})

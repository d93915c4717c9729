import { ToolListChangedNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { allTools } from '../../daemon/tools/all-tools.ts'
import type { Agent, ToolAnswer } from '../support/agent.ts'
import { anotherScrum4Me } from '../support/another-scrum4me.ts'
import type { Installation } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'
import { callEveryTool } from './every-tool.ts'

/** One machine with a daemon of its own, a clone of a product that only it has, and an agent. */
interface Machine {
  readonly installation: Installation
  readonly product: Product
  readonly agent: Agent
}

let scenario: Scenario
let one: Machine
let two: Machine

beforeAll(async () => {
  scenario = await Scenario.make()
  await anotherScrum4Me(scenario.db)
  ;[one, two] = await Promise.all([machine(), machine()])
}, 90_000)

afterAll(() => scenario?.close())

async function machine(): Promise<Machine> {
  const installation = await scenario.installation()
  const product = await scenario.product(installation)
  // Its sprint is what this Scrum4Me calls an active one; a closed one is newer.
  await seed.sprint(scenario.db, { product_id: product.id, status: 'OPEN' })
  await seed.sprint(scenario.db, {
    product_id: product.id,
    status: 'CLOSED',
    created_at: new Date('2031-01-01'),
  })
  await installation.start()
  return { installation, product, agent: await installation.agent() }
}

it('the tool whose table is missing leaves the list, and everybody is told why', async () => {
  for (const { installation, agent } of [one, two]) {
    let changed = 0
    agent.client.setNotificationHandler(ToolListChangedNotificationSchema, () => {
      changed += 1
    })
    // The shim may have answered from its own catalog before it knew this daemon's; then it says when that changes.
    await until('create_todo is gone', async () => {
      const seen = changed
      const { tools } = await agent.client.listTools()
      if (!tools.some((tool) => tool.name === 'create_todo')) return tools.length === allTools.length - 1
      return until('the list changes', () => changed > seen).then(() => false)
    })
    await expect(agent.raw('create_todo', { title: 'x' })).rejects.toThrow('no tool create_todo')
    expect(await agent.call('worker_status')).toMatchObject({
      missing_tools: [{ name: 'create_todo', missing_tables: ['todos'] }],
    })
    expect((await installation.cli('doctor')).stdout).toMatch(/schema .*table todos/)
    expect((await installation.cli('db', 'migrate', '--print')).stdout).toMatch(/CREATE TABLE.*"todos"/)
  }
})

it('everything else works on both at once, and leaves what is for others alone', async () => {
  const others = await Promise.all(
    [
      { sprint_run_id: 'run-1' },
      { runtime: 'OTHER' },
      { required_capability: 'gpu' },
      { kind: 'SPRINT_IMPLEMENTATION' },
      { status: 'PAUSED' },
    ].map((row) => scenario.job(one.product.id, { row: { ...row, created_at: new Date('2020-01-01') } })),
  )
  const called = await Promise.all([one, two].map(workEveryTool))
  for (const names of called) {
    expect([...names].sort()).toEqual(
      allTools
        .map((tool) => tool.name)
        .filter((name) => name !== 'create_todo')
        .sort(),
    )
  }
  const rows = await scenario.db.query(
    'select status::text, claimed_at, worker_instance_id from claude_jobs where id = any($1) order by status::text',
    [others],
  )
  const untouched = { claimed_at: null, worker_instance_id: null }
  expect(rows).toEqual([
    { ...untouched, status: 'PAUSED' },
    ...Array(4).fill({ ...untouched, status: 'QUEUED' }),
  ])
})

async function workEveryTool({ agent, product }: Machine): Promise<Set<string>> {
  const called = new Set<string>()
  await callEveryTool({
    productId: product.id,
    clone: product.clone,
    call: async (name, args) => {
      if (name === 'create_todo') return {}
      called.add(name)
      // Listed above: the client holds every result against its schema.
      return agent.call(name, args)
    },
    intoSprint: async (storyId) => {
      await scenario.db.query(
        `update stories set status = 'IN_SPRINT', sprint_id =
           (select id from sprints where product_id = $1 and status = 'OPEN') where id = $2`,
        [product.id, storyId],
      )
    },
  })
  return called
}

it('60 concurrent creates through both: 60 succeed, codes unique and without a gap', async () => {
  const product = await seed.product(scenario.db, { user_id: scenario.userId })
  const pbi = await one.agent.call('create_pbi', { product_id: product.id, title: 'first', priority: 1 })
  const story = await two.agent.call('create_story', { pbi_id: pbi.id, title: 'first', priority: 1 })
  const more = await Promise.all([one, two].map(({ installation }) => installation.agent()))
  const agents = [one.agent, two.agent, ...more]
  const create = async (_: unknown, index: number): Promise<ToolAnswer[]> => {
    const agent = agents[index % agents.length] ?? one.agent
    const item = { title: `n${index}`, priority: 1 }
    return Promise.all([
      agent.call('create_pbi', { ...item, product_id: product.id }),
      agent.call('create_story', { ...item, pbi_id: pbi.id }),
      agent.call('create_task', { ...item, story_id: story.id }),
    ])
  }
  const created = await Promise.all(Array.from({ length: 20 }, create))
  expect(created.flat()).toHaveLength(60)
  const codes = new Set(created.flat().map((item) => item.code))
  const numbers = Array.from({ length: 21 }, (_, index) => index + 1)
  expect(codes).toEqual(
    new Set([
      ...numbers.slice(1).map((n) => `PBI-${n}`),
      ...numbers.slice(1).map((n) => `ST-${String(n).padStart(3, '0')}`),
      ...numbers.slice(0, 20).map((n) => `T-${n}`),
    ]),
  )
  for (const table of ['pbis', 'stories', 'tasks']) {
    const rows = await scenario.db.query<{ code: string; sort_order: number }>(
      `select code, sort_order from ${table} where product_id = $1 order by sort_order, created_at, id`,
      [product.id],
    )
    // In the order of their codes, each behind its siblings.
    expect(rows.map(({ code }) => Number(code.split('-')[1]))).toEqual(numbers.slice(0, rows.length))
    expect(new Set(rows.map(({ sort_order }) => sort_order)).size).toBe(rows.length)
  }
})

it('an answer given on one machine reaches who waits on the other, by its notification', async () => {
  const { id: storyId } = await seed.story(scenario.db, { product_id: one.product.id })
  const asking = ['a', 'b', 'c', 'd', 'e'].map((question) =>
    one.agent.call('ask_user_question', { story_id: storyId, question, wait_seconds: 120 }),
  )
  const open = await until('all are asked', async () => {
    const { questions } = await two.agent.call('list_open_questions', { story_id: storyId })
    return Array.isArray(questions) && questions.length === 5 && questions
  })
  const ids = new Map(open.map((question) => [question.question, question.question_id]))
  const begin = performance.now()
  // One after the other: without notifications each would wait for the next poll, 5 s after the last.
  for (const [index, question] of ['a', 'b', 'c', 'd', 'e'].entries()) {
    await scenario.db.query(
      `with answered as (
         update claude_questions set status = 'answered', answer = 'yes ' || question, answered_by = $2,
           answered_at = now() at time zone 'utc' where id = $1 returning id)
       select pg_notify('scrum4me_changes', json_build_object('op', 'U', 'entity', 'question', 'id', id)::text)
       from answered`,
      [ids.get(question), scenario.userId],
    )
    expect(await asking[index]).toMatchObject({ status: 'answered', answer: `yes ${question}` })
  }
  expect(performance.now() - begin).toBeLessThan(10_000)

  const last = one.agent.call('ask_user_question', { story_id: storyId, question: 'f', wait_seconds: 120 })
  const id = await until('it is listed on the other machine', async () => {
    const { questions } = await two.installation.json<{
      questions: { question_id: string; question: string }[]
    }>('questions')
    return questions.find((one) => one.question === 'f')?.question_id
  })
  expect(await two.installation.cli('answer', id, 'by command')).toMatchObject({ code: 0 })
  expect(await last).toMatchObject({ status: 'answered', answer: 'by command', answered_by: scenario.userId })
})

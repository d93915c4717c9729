import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { PrismaClient } from '../../daemon/db/generated/client.ts'
import { DaemonError } from '../../daemon/errors.ts'
import { callTool } from '../../daemon/tools/call.ts'
import { defineTool } from '../../daemon/tools/tool.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'
import { type Agent, contextOf, textOf, unauthorized, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
beforeAll(async () => {
  bench = await workbench()
  owner = await bench.agent()
})
afterAll(() => bench.close())

const failing = (thrown: unknown) =>
  defineTool({
    name: 'failing',
    title: 'Failing',
    description: 'x',
    annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
    tables: [],
    input: z.object({}),
    output: z.object({ fine: z.boolean() }),
    call: () => Promise.reject(thrown),
  })

test('an unforeseen error says nothing of its cause; the log has it, without secrets', async () => {
  bench.log.length = 0
  const result = await callTool(
    failing(new Error('user c123 with s3cret at /home/x')),
    {},
    contextOf(bench, owner),
  )
  expect(result.isError).toBe(true)
  expect(textOf(result)).toMatch(/^INTERNAL: failing failed for a reason it does not foresee\. .*logs/)
  expect(textOf(result)).not.toMatch(/c123|s3cret|home/)
  const [line] = bench.log
  expect(line).toContain('user c123 with *** at /home/x')
})

test('an error of the family is told as it is, without secrets, and not logged', async () => {
  bench.log.length = 0
  const error = new DaemonError('CONFLICT', 'no room for s3cret', 'Make room')
  const result = await callTool(failing(error), {}, contextOf(bench, owner))
  expect(textOf(result)).toBe('CONFLICT: no room for ***. Make room.')
  expect(bench.log).toEqual([])
})

test('a result that does not fit its schema is a defect, not an answer', async () => {
  const tool = { ...failing(undefined), call: () => Promise.resolve(JSON.parse('{"fine":"yes"}')) }
  expect(textOf(await callTool(tool, {}, contextOf(bench, owner)))).toMatch(/^INTERNAL: /)
})

test('fields the schema does not name do not leave', async () => {
  const tool = { ...failing(undefined), call: () => Promise.resolve({ fine: true, secret: 1 }) }
  const result = await callTool(tool, {}, contextOf(bench, owner))
  expect(result.structuredContent).toEqual({ fine: true })
})

test('the status of a machine with hundreds of agents is short enough to be read, and says what is left out', async () => {
  const job = { job_id: 'c'.repeat(25), worktree_path: '/home/somebody/'.repeat(5) }
  const many = Array.from({ length: 300 }, () => job)
  const report = {
    ...{ state: 'degraded', problems: [{ code: 'DISK_LOW' }, ...many], daemon: null, presence: null },
    ...{ database: null, sessions: many, jobs: many, worktrees: { count: 300, entries: many } },
    ...{ queue: { queued: 1, claimed: 300, running: 0 }, missing_tools: [] },
  }
  // Only what comes out of it counts, so the report need not be whole.
  const jobs = { ...contextOf(bench, owner).jobs, status: async () => JSON.parse(JSON.stringify(report)) }
  const said = await owner.ok('worker_status', {}, { context: { jobs } })
  const text = JSON.stringify(said)
  expect(text.length).toBeLessThanOrEqual(40_000)
  const shown = text.split('"job_id"').length - 1
  expect(shown).toBeGreaterThan(100)
  expect(said).toMatchObject({ omitted: { count: 1200 - shown }, worktrees: { count: 300 } })
  expect(said.problems).toContainEqual({ code: 'DISK_LOW' })
})

test('wrong arguments are refused before anything is asked', async () => {
  const context = { backlog: unauthorized }
  expect(await owner.fails('create_pbi', { title: 'x' }, { context })).toMatch(
    /^VALIDATION_ERROR: product_id is required/,
  )
})

test('a revoked token is UNAUTHORIZED in every tool but health, and changes nothing', async () => {
  const product = await seed.product(bench.db, { user_id: owner.caller.userId })
  const context = { backlog: unauthorized }
  for (const [name, args] of [
    ['list_products', {}],
    ['get_claude_context', { product_id: product.id }],
    ['create_pbi', { product_id: product.id, title: 'x', priority: 1 }],
    ['create_todo', { title: 'x' }],
    ['check_queue_empty', {}],
  ] as const) {
    expect(await owner.fails(name, args, { context })).toMatch(/^UNAUTHORIZED: /)
  }
  expect(await bench.db.query('select 1 from pbis where product_id = $1', [product.id])).toEqual([])
  expect(await owner.ok('health', {}, { context })).toMatchObject({ status: 'ok', database: 'ok' })
})

test('a database that is not there is DATABASE_UNAVAILABLE, and health says so', async () => {
  const pool = new pg.Pool({ host: '127.0.0.1', port: 1, connectionTimeoutMillis: 2_000 })
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool) })
  try {
    const context = {
      backlog: async () => ({ prisma, caller: owner.caller }),
      database: async () => 'down' as const,
    }
    for (const [name, args] of [
      ['list_products', {}],
      ['create_pbi', { product_id: 'x', title: 'x', priority: 1 }],
      ['update_task_status', { task_id: 'x', status: 'done' }],
      ['ask_user_question', { story_id: 'x', question: 'x' }],
    ] as const) {
      expect(await owner.fails(name, args, { context })).toMatch(/^DATABASE_UNAVAILABLE: /)
    }
    expect(await owner.ok('health', {}, { context })).toMatchObject({ status: 'degraded', database: 'down' })
  } finally {
    await prisma.$disconnect()
    await pool.end()
  }
})

/** Calls create_pbi while somebody else holds the product's row; `meanwhile` runs beside the call. Its error. */
async function createsHeldUp(productId: unknown, meanwhile: () => Promise<unknown>): Promise<string> {
  const holder = await bench.db.pool.connect()
  try {
    await holder.query('begin')
    await holder.query('select 1 from products where id = $1 for update', [productId])
    const failed = owner.fails('create_pbi', { product_id: productId, title: 'x', priority: 1 })
    await meanwhile()
    return await failed
  } finally {
    await holder.query('rollback')
    holder.release()
  }
}

test('a connection that breaks under a mutation: nobody knows whether it took effect, and the error says so', async () => {
  const product = await seed.product(bench.db, { user_id: owner.caller.userId })
  const text = await createsHeldUp(product.id, () =>
    until('it waits for the row', async () => {
      const ended = await bench.db.query(
        `select pg_terminate_backend(pid) from pg_stat_activity
          where datname = current_database() and wait_event_type = 'Lock'`,
      )
      return ended.length === 1
    }),
  )
  expect(text).toMatch(/^DATABASE_UNAVAILABLE: .*whether create_pbi took effect is unknown/)
})

test('a row that somebody else holds is told in time, not waited for without end', async () => {
  const product = await seed.product(bench.db, { user_id: owner.caller.userId })
  const text = await createsHeldUp(product.id, async () => undefined)
  expect(text).toMatch(/^DATABASE_UNAVAILABLE: .*nothing was changed/)
  expect(await owner.ok('create_pbi', { product_id: product.id, title: 'x', priority: 1 })).toMatchObject({
    code: 'PBI-1',
  })
})

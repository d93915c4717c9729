import { AjvJsonSchemaValidator } from '@modelcontextprotocol/sdk/validation/ajv'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { z } from 'zod'
import { allTools } from '../../daemon/tools/all-tools.ts'
import { SERVER_CAPABILITIES, SERVER_INFO, SERVER_INSTRUCTIONS } from '../../daemon/tools/server-info.ts'
import { type Answer, ShimSession } from '../shim/shim-session.ts'
import { type Installation, SHIM } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { callEveryTool } from './every-tool.ts'

/** Of the versions between, only some tools: what differs for them is in `initialize`. */
const VERSIONS = [
  { version: '2024-11-05', all: true },
  { version: '2025-03-26', all: false },
  { version: '2025-06-18', all: false },
  { version: '2025-11-25', all: true },
]
const NEWEST = '2025-11-25'
const TOOLS = z.array(
  z.object({
    name: z.string(),
    inputSchema: z.record(z.string(), z.unknown()),
    outputSchema: z.record(z.string(), z.unknown()),
  }),
)
const RESULT = z.object({
  isError: z.literal(false).optional(),
  content: z.tuple([z.object({ type: z.literal('text'), text: z.string() })]),
  structuredContent: z.record(z.string(), z.unknown()),
})

let scenario: Scenario
let machine: Installation
let product: Product
let sprintId: string

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation()
  product = await scenario.product(machine)
  sprintId = (await seed.sprint(scenario.db, { product_id: product.id })).id
  await machine.start()
})

afterAll(() => scenario?.close())

async function open(protocolVersion: string): Promise<{ session: ShimSession; welcome: Answer['result'] }> {
  const session = new ShimSession(SHIM, machine.env)
  const { result } = await session.initialize({ protocolVersion })
  return { session, welcome: result }
}

async function ask(session: ShimSession, method: string, params: object = {}): Promise<unknown> {
  const answer = await session.answer(session.request(method, params))
  if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
  return answer.result
}

/** Calls tools and holds what goes in and comes out against the schemas that were listed. */
async function checkedCalls(session: ShimSession) {
  const { tools } = z.object({ tools: TOOLS }).parse(await ask(session, 'tools/list'))
  const validator = new AjvJsonSchemaValidator()
  const called = new Set<string>()
  const call = async (name: string, args: Record<string, unknown> = {}) => {
    const tool = tools.find((one) => one.name === name)
    expect(tool, name).toBeDefined()
    expect(validator.getValidator(tool?.inputSchema ?? {})(args)).toMatchObject({ valid: true })
    const raw = await ask(session, 'tools/call', { name, arguments: args })
    const result = RESULT.safeParse(raw)
    if (!result.success) throw new Error(`${name}: ${JSON.stringify(raw)}`)
    const { content, structuredContent } = result.data
    expect(content[0].text).toBe(JSON.stringify(structuredContent, null, 2))
    const checked = validator.getValidator(tool?.outputSchema ?? {})(structuredContent)
    expect(checked, `${name}: ${checked.errorMessage}`).toMatchObject({ valid: true })
    called.add(name)
    return structuredContent
  }
  return { names: tools.map((tool) => tool.name), called, call }
}

it.each(VERSIONS)('protocol $version: initialize, list, and call, as the schemas say', async ({
  version,
  all,
}) => {
  const { session, welcome } = await open(version)
  expect(welcome).toEqual({
    protocolVersion: version,
    capabilities: SERVER_CAPABILITIES,
    serverInfo: SERVER_INFO,
    instructions: SERVER_INSTRUCTIONS,
  })
  await ask(session, 'ping')
  await ask(session, 'logging/setLevel', { level: 'warning' })
  expect(await ask(session, 'prompts/list')).toMatchObject({ prompts: [{ name: 'implement_next_story' }] })
  const prompt = { name: 'implement_next_story', arguments: { product_id: product.id } }
  expect(await ask(session, 'prompts/get', prompt)).toMatchObject({ messages: [{ role: 'user' }] })
  const { names, called, call } = await checkedCalls(session)
  expect(names).toEqual(allTools.map((tool) => tool.name))
  if (!all) {
    await call('list_products')
    const pbi = await call('create_pbi', { product_id: product.id, title: version, priority: 3 })
    expect(pbi).toMatchObject({ title: version, priority: 3 })
    expect(await call('wait_for_job', { wait_seconds: 1 })).toMatchObject({ status: 'timeout' })
    return
  }
  await callEveryTool({
    call,
    productId: product.id,
    clone: product.clone,
    intoSprint: async (storyId) => {
      await scenario.db.query(`update stories set sprint_id = $1, status = 'IN_SPRINT' where id = $2`, [
        sprintId,
        storyId,
      ])
    },
  })
  expect([...called].sort()).toEqual([...names].sort())
  // What the server sends by itself is nothing but what it announced and was asked for.
  const unasked = session.messages.filter((message) => message.method !== undefined)
  expect(unasked.map((message) => message.method).filter((method) => method !== 'ping')).toEqual([])
})

it.each([
  '1999-01-01',
  '2099-12-31',
  '',
])('asked for version %j it offers the newest, and works', async (version) => {
  const { session, welcome } = await open(version)
  expect(welcome?.protocolVersion).toBe(NEWEST)
  const { call } = await checkedCalls(session)
  expect(await call('health')).toMatchObject({ status: 'ok', database: 'ok' })
})

it('a client that has no way to leave arguments out, and says null', async () => {
  const { session } = await open(NEWEST)
  const call = (name: string) => ask(session, 'tools/call', { name, arguments: null })
  expect(await call('health')).toMatchObject({ structuredContent: { status: 'ok' } })
  expect(await call('create_pbi')).toMatchObject({
    isError: true,
    content: [{ text: expect.stringMatching(/^VALIDATION_ERROR: product_id is required/) }],
  })
})

it('what cannot be served is refused as JSON-RPC says', async () => {
  const { session } = await open(NEWEST)
  const codes = async (method: string, params: object) =>
    (await session.answer(session.request(method, params))).error?.code
  expect(await codes('resources/list', {})).toBe(-32601)
  expect(await codes('no/such/method', {})).toBe(-32601)
  expect(await codes('tools/call', { name: 'no_such_tool', arguments: {} })).toBe(-32602)
  expect(await codes('prompts/get', { name: 'no_such_prompt' })).toBe(-32602)
  expect(await codes('prompts/get', { name: 'implement_next_story', arguments: {} })).toBe(-32602)
  const wrong = await session.call('create_pbi', {
    product_id: product.id,
    title: '',
    priority: 5,
    colour: 1,
  })
  expect(wrong.result).toMatchObject({
    isError: true,
    content: [{ type: 'text', text: expect.stringMatching(/^VALIDATION_ERROR: .*colour.*title.*priority/) }],
  })
  expect(wrong.result).not.toHaveProperty('structuredContent')
})

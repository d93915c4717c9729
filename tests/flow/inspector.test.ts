import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { allTools } from '../../daemon/tools/all-tools.ts'
import { catalog } from '../../daemon/tools/catalog.ts'
import { type Installation, SHIM } from '../support/installation.ts'
import { type Product, Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { canInstallInspector2, type Inspector, inspect, inspector1, inspector2 } from './inspector.ts'

let scenario: Scenario
let machine: Installation
let product: Product

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation()
  product = await scenario.product(machine)
  await machine.start()
})

afterAll(() => scenario?.close())

function checks(inspector: () => Inspector): void {
  const ask = (method: string, ...args: string[]) =>
    inspect(inspector(), [process.execPath, SHIM], machine.env, '--method', method, ...args)

  /** `structuredContent`; every argument as `name=value`, the value as JSON or text. */
  const call = async (name: string, ...args: string[]) => {
    const answer = await ask(
      'tools/call',
      ...['--tool-name', name],
      ...args.flatMap((arg) => ['--tool-arg', arg]),
    )
    expect(answer.isError, JSON.stringify(answer.content)).toBeFalsy()
    expect(answer.content).toEqual([
      { type: 'text', text: JSON.stringify(answer.structuredContent, null, 2) },
    ])
    return { ...Object(answer.structuredContent) } as Record<string, unknown>
  }

  it('lists every tool as the catalog has it', async () => {
    const listed = await ask('tools/list')
    expect(listed.tools).toEqual(JSON.parse(JSON.stringify(catalog(allTools, new Set()).tools)))
  })

  it('lists the prompt and gets it', async () => {
    const [listed, got] = await Promise.all([
      ask('prompts/list'),
      ask(
        'prompts/get',
        '--prompt-name',
        'implement_next_story',
        '--prompt-args',
        `product_id=${product.id}`,
      ),
    ])
    expect(listed.prompts).toMatchObject([{ name: 'implement_next_story', arguments: [{ required: true }] }])
    expect(JSON.stringify(got.messages)).toContain(product.id)
  })

  it('reads and writes the backlog with text, numbers, lists and objects', async () => {
    // Of its own, so that its codes meet no seeded ones.
    const shop = await seed.product(scenario.db, { user_id: scenario.userId })
    const pbi = await call('create_pbi', `product_id=${shop.id}`, 'title=Pay by card', 'priority=2')
    expect(pbi).toMatchObject({ title: 'Pay by card', priority: 2 })
    const story = await seed.story(scenario.db, { product_id: shop.id, pbi_id: pbi.id })
    const [question, log, products] = await Promise.all([
      call('ask_user_question', `story_id=${story.id}`, 'question=Which card?', 'options=["Visa","Both"]'),
      call('log_implementation', `story_id=${story.id}`, 'content=Plan', 'metadata={"a":{"b":[1,null]}}'),
      call('list_products'),
    ])
    expect(question).toMatchObject({ status: 'open', options: ['Visa', 'Both'] })
    expect(products).toMatchObject({
      products: expect.arrayContaining([expect.objectContaining({ id: shop.id })]),
    })
    const [row] = await scenario.db.query('select metadata from story_logs where id = $1', [log.id])
    expect(row).toEqual({ metadata: { a: { b: [1, null] } } })
  })

  it('takes a job and reports on it: two shims, one conversation', async () => {
    const job = await scenario.job(product.id)
    const conversation = { ...machine.env, CLAUDE_CODE_SESSION_ID: `inspected-${job}` }
    const within = (...args: string[]) =>
      inspect(inspector(), [process.execPath, SHIM], conversation, '--method', 'tools/call', ...args)
    const claimed = await within('--tool-name', 'wait_for_job', '--tool-arg', 'wait_seconds=30')
    expect(claimed.structuredContent).toMatchObject({ status: 'claimed', job_id: job })
    const skipped = await within(
      ...['--tool-name', 'update_job_status', '--tool-arg', `job_id=${job}`, '--tool-arg', 'status=skipped'],
    )
    expect(skipped.structuredContent).toMatchObject({ job_id: job, status: 'skipped', delivered: true })
    expect(await scenario.jobRow(job)).toMatchObject({ status: 'SKIPPED' })
  })
}

describe("the Inspector's CLI, 1.x", () => {
  checks(inspector1)

  it('shows an error as an error, in our words', async () => {
    const answer = await inspect(
      inspector1(),
      [process.execPath, SHIM],
      machine.env,
      ...['--method', 'tools/call', '--tool-name', 'create_pbi', '--tool-arg', 'priority=9'],
    )
    expect(answer).toMatchObject({
      isError: true,
      content: [{ text: expect.stringMatching(/^VALIDATION_ERROR: .*product_id is required/) }],
    })
  })
})

describe.runIf(process.env.SCRUM4ME_TEST_LONG === '1' && canInstallInspector2)(
  "the Inspector's CLI, 2.x",
  () => {
    let installed: Awaited<ReturnType<typeof inspector2>>
    beforeAll(async () => {
      installed = await inspector2()
    }, 300_000)
    afterAll(() => installed && rm(installed.directory, { recursive: true, force: true }))

    checks(() => installed)

    it('finds no fault with the schemas', async () => {
      // Exit code 6 if any tool cannot be used by some client.
      await inspect(installed, [process.execPath, SHIM], machine.env, '--method', 'tools/list', '--strict')
    })
  },
)

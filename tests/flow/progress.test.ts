import { afterAll, beforeAll, expect, it } from 'vitest'
import { WAITED_MS } from '../../daemon/wire/protocol.ts'
import type { Installation } from '../support/installation.ts'
import { Scenario } from '../support/scenario.ts'
import { seed } from '../support/seed.ts'
import { until } from '../support/until.ts'

let scenario: Scenario
let machine: Installation

beforeAll(async () => {
  scenario = await Scenario.make()
  machine = await scenario.installation()
  await machine.start()
})

afterAll(() => scenario?.close())

it('a waiting call sends progress at least every 15 s, across both hops', async () => {
  const { id: productId } = await scenario.product(machine)
  const { id: storyId } = await seed.story(scenario.db, { product_id: productId })
  const [agent, returned] = [await machine.agent(), await machine.agent()]
  const progress = { wait_for_job: [] as unknown[], ask_user_question: [] as unknown[] }
  const waits = (name: keyof typeof progress, args: Record<string, unknown>) =>
    agent.call(name, { ...args, wait_seconds: 120 }, { onprogress: (sent) => progress[name].push(sent) })
  const job = waits('wait_for_job', {})
  const answer = waits('ask_user_question', { story_id: storyId, question: 'q' })
  // As its shim sends it again after a restart: most of its time is over.
  const again = { name: 'wait_for_job', arguments: { wait_seconds: 120 }, _meta: { [WAITED_MS]: 111_000 } }
  const sentOn: number[] = []
  const rest = returned.client.callTool(again, undefined, {
    onprogress: ({ progress: value }) => sentOn.push(value),
  })
  for (const waiting of [job, answer, rest]) waiting.catch(() => undefined)
  await until('both are told', () => Object.values(progress).every((sent) => sent.length > 0), 15_000)
  expect(progress.wait_for_job[0]).toMatchObject({
    message: expect.stringMatching(/^Waiting for a job, \d+ s/),
  })
  expect(progress.ask_user_question[0]).toMatchObject({
    message: expect.stringMatching(/^Waiting for an answer/),
  })

  expect(await rest).toMatchObject({ structuredContent: { status: 'timeout' } })
  // Above what the daemon before can have come to: progress only ever grows.
  expect(sentOn[0]).toBeGreaterThan(111_000 / 7_500)

  // Still the same calls.
  const queued = await scenario.job(productId)
  expect(await job).toMatchObject({ status: 'claimed', job_id: queued })
  await scenario.db.query(`update claude_questions set status = 'answered', answer = 'a'`)
  expect(await answer).toMatchObject({ status: 'answered', answer: 'a' })
})

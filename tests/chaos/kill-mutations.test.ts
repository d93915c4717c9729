import { afterEach, expect, it } from 'vitest'
import { delay } from '../../daemon/lifecycle/delay.ts'
import { until } from '../support/until.ts'
import { Laboratory } from './support/laboratory.ts'
import { chaosSeed, LONG, Random } from './support/random.ts'
import type { RawAgent } from './support/raw-agent.ts'

const KILLS = LONG ? 500 : 30
/** Mutations under way at once in the one session. */
const LANES = 3

let lab: Laboratory | undefined
afterEach(() => lab?.close())

/** A call that changes something, and how to count what it did. `name` is unique. */
interface Mutation {
  readonly tool: string
  readonly args: Record<string, unknown>
  readonly count: string
}

function mutations(ids: { product: string; pbi: string; story: string }): ((name: string) => Mutation)[] {
  return [
    (name) => ({
      tool: 'create_todo',
      args: { title: name },
      count: 'select title as name from todos',
    }),
    (name) => ({
      tool: 'create_task',
      args: { story_id: ids.story, title: name, priority: 2 },
      count: 'select title as name from tasks',
    }),
    (name) => ({
      tool: 'create_story',
      args: { pbi_id: ids.pbi, title: name, priority: 2 },
      count: 'select title as name from stories',
    }),
    (name) => ({
      tool: 'log_implementation',
      args: { story_id: ids.story, content: name },
      count: 'select content as name from story_logs',
    }),
    (name) => ({
      tool: 'ask_user_question',
      args: { story_id: ids.story, question: name },
      count: 'select question as name from claude_questions',
    }),
  ]
}

it(
  `runs no mutation twice over ${KILLS} kills of the daemon: each has effect once or an honest OUTCOME_UNKNOWN`,
  async () => {
    const random = new Random(chaosSeed('kill-mutations'))
    lab = await Laboratory.make()
    const machine = await lab.machine('m', (await lab.clone('c')).clone)
    await machine.start()
    await machine.ready()
    const agent = await machine.agent('the-session')
    const [story] = await lab.query('select id, pbi_id from stories')
    const kinds = mutations({
      product: lab.productId,
      pbi: String(story?.pbi_id),
      story: String(story?.id),
    })
    const outcomes = new Map<string, { code: string; text: string; count: string }>()
    let over = false
    let answered = 0
    const lane = async (number: number, draws: Random) => {
      for (let n = 0; !over; n += 1) {
        const name = `mutation-${number}-${n}`
        const { tool, args, count } = draws.pick(kinds)(name)
        outcomes.set(name, { ...(await outcomeOf(agent, tool, args)), count })
        answered += 1
      }
    }
    const lanes = Array.from({ length: LANES }, (_, n) => lane(n, random.fork()))
    for (let kill = 0; kill < KILLS; kill += 1) {
      const before = answered
      const enough = before + random.between(0, LANES + 2)
      await until(`answers after kill ${kill}`, () => answered > enough, 60_000)
      await delay(random.between(0, 60))
      await machine.kill()
      await machine.start()
    }
    over = true
    await Promise.all(lanes)

    const found = new Map<string, number>()
    for (const count of new Set([...outcomes.values()].map((outcome) => outcome.count))) {
      for (const { name } of await lab.query(count))
        found.set(String(name), (found.get(String(name)) ?? 0) + 1)
    }
    const tally: Record<string, number> = {}
    const wrong: unknown[] = []
    for (const [name, outcome] of outcomes) {
      const effects = found.get(name) ?? 0
      const label = `${outcome.code}, effect ${effects}`
      tally[label] = (tally[label] ?? 0) + 1
      const right =
        outcome.code === 'ok'
          ? effects === 1
          : outcome.code === 'OUTCOME_UNKNOWN'
            ? effects <= 1
            : effects === 0
      if (!right) wrong.push({ name, effects, ...outcome })
    }
    console.log(`${KILLS} kills, ${outcomes.size} mutations: ${JSON.stringify(tally)}`)
    expect(wrong).toEqual([])
    // Otherwise no kill met a mutation, and this showed nothing.
    expect(Object.keys(tally).some((label) => label.startsWith('OUTCOME_UNKNOWN'))).toBe(true)
  },
  LONG ? 3_600_000 : 400_000,
)

async function outcomeOf(
  agent: RawAgent,
  tool: string,
  args: Record<string, unknown>,
): Promise<{ code: string; text: string }> {
  const result = await agent.call(tool, args).result
  if (result.kind === 'failed') return { code: result.code, text: result.text }
  return { code: result.kind, text: JSON.stringify(result.kind === 'ok' ? result.content : '') }
}

import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

interface Story {
  readonly bench: Workbench
  readonly owner: Agent
  readonly productId: string
  readonly storyId: string
}

/** For the tests of a file a workbench; for each of them a story of its own, about which its owner asks. */
export function questionBench() {
  let bench: Workbench
  let owner: Agent
  let made: Story
  beforeAll(async () => {
    // The poll must not be what wakes: where it is tested, a bench with a short one is made.
    bench = await workbench({ pollMs: 600_000 })
    owner = await bench.agent()
  })
  afterAll(() => bench.close())
  beforeEach(async () => {
    const productId = (await seed.product(bench.db, { user_id: owner.caller.userId })).id
    made = { bench, owner, productId, storyId: (await seed.story(bench.db, { product_id: productId })).id }
  })
  afterEach(() => bench.db.query('delete from claude_questions'))

  const rows = () => bench.db.query('select * from claude_questions')
  return {
    /** Of use inside a test. */
    story: () => made,
    ask: (args: Json = {}, agent = owner) =>
      agent.ok('ask_user_question', { story_id: made.storyId, question: 'Which one?', ...args }),
    rows,
    asked: () => expect.poll(rows).toHaveLength(1),
    /** What the web app does. */
    answer: (id: unknown, text: string, status = 'answered') =>
      bench.db.query(
        `update claude_questions set status = $3, answer = $2, answered_by = $4, answered_at = now() at time zone 'utc'
         where id = $1`,
        [id, text, status, owner.caller.userId],
      ),
    notify: (payload: Json) =>
      bench.db.query(`select pg_notify('scrum4me_changes', $1)`, [JSON.stringify(payload)]),
  }
}

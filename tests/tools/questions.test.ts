import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { QuestionWatch } from '../../daemon/backlog/question-watch.ts'
import { whileWaiting } from '../../daemon/tools/while-waiting.ts'
import { seed } from '../support/seed.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
let productId: string
let storyId: string
beforeAll(async () => {
  // The poll must not be what wakes: where it is tested, a bench with a short one is made.
  bench = await workbench({ pollMs: 600_000 })
  owner = await bench.agent()
})
afterAll(() => bench.close())
beforeEach(async () => {
  productId = (await seed.product(bench.db, { user_id: owner.caller.userId })).id
  storyId = (await seed.story(bench.db, { product_id: productId })).id
})
afterEach(() => bench.db.query('delete from claude_questions'))

const ask = (args: Json = {}, agent = owner) =>
  agent.ok('ask_user_question', { story_id: storyId, question: 'Which one?', ...args })
const rows = () => bench.db.query('select * from claude_questions')
/** What the web app does. */
const answer = (id: unknown, text: string, status = 'answered') =>
  bench.db.query(
    `update claude_questions set status = $3, answer = $2, answered_by = $4, answered_at = now() at time zone 'utc'
     where id = $1`,
    [id, text, status, owner.caller.userId],
  )
const notify = (payload: Json) =>
  bench.db.query(`select pg_notify('scrum4me_changes', $1)`, [JSON.stringify(payload)])
const asked = () => expect.poll(rows).toHaveLength(1)

test('a question without waiting is open for 24 hours, and people are told', async () => {
  const heard: Json[] = []
  const end = bench.listen((change) => heard.push(change))
  const task = await seed.task(bench.db, { story_id: storyId })
  const question = await ask({ options: ['a', 'b'], task_id: task.id })
  expect(question).toEqual({
    question_id: expect.any(String),
    status: 'open',
    question: 'Which one?',
    options: ['a', 'b'],
    answer: null,
    answered_by: null,
    answered_at: null,
    expires_at: expect.stringMatching(/Z$/),
  })
  const [row] = await rows()
  expect(row).toMatchObject({
    story_id: storyId,
    task_id: task.id,
    product_id: productId,
    asked_by: owner.caller.userId,
  })
  expect(row?.expires_at - row?.created_at).toBe(24 * 3_600_000)
  const located = { ...question, story_id: storyId, task_id: task.id }
  expect(await owner.ok('get_question_answer', { question_id: question.question_id })).toEqual(located)
  expect(await owner.ok('list_open_questions')).toEqual({
    count: 1,
    questions: [{ ...located, created_at: row?.created_at.toISOString() }],
  })
  await expect
    .poll(() => heard)
    .toContainEqual(expect.objectContaining({ question_id: question.question_id, status: 'open' }))
  end()
})

test('limits at their edges', async () => {
  await ask({ question: 'q'.repeat(4_000), options: Array(8).fill('o'), wait_seconds: 0 })
  const refused = async (args: Json, words: string) =>
    expect(await owner.fails('ask_user_question', { story_id: storyId, question: 'q', ...args })).toContain(
      `VALIDATION_ERROR: ${words}`,
    )
  await refused({ question: '' }, 'question must not be empty')
  await refused({ question: 'q'.repeat(4_001) }, 'question must have at most 4,000 characters')
  await refused({ options: Array(9).fill('o') }, 'options must have at most 8 entries')
  await refused({ options: ['\0'] }, 'options[0] must not contain a NUL character')
  await refused({ options: ['\udc00'] }, 'options must be well-formed Unicode')
  await refused({ wait_seconds: -1 }, 'wait_seconds must be at least 0')
  await refused({ wait_seconds: 601 }, 'wait_seconds must be at most 600')
  expect(await rows()).toHaveLength(1)
})

test('a task of another story is not found, and nothing is asked', async () => {
  const task = await seed.task(bench.db, { product_id: productId })
  expect(
    await owner.fails('ask_user_question', { story_id: storyId, question: 'q', task_id: task.id }),
  ).toMatch(`NOT_FOUND: Task ${task.id} not found or not accessible`)
  expect(await rows()).toEqual([])
})

test.each([
  ['by the daemon', (id: string) => ({ type: 'claude_question_answered', question_id: id })],
  ['by a trigger of the web app', (id: string) => ({ op: 'U', entity: 'question', id, status: 'answered' })],
])('an answer notified %s wakes the call at once', async (_by, payload) => {
  const waiting = ask({ wait_seconds: 600 })
  await asked()
  const [row] = await rows()
  await answer(row?.id, 'the second')
  const begin = performance.now()
  await notify(payload(String(row?.id)))
  expect(await waiting).toMatchObject({
    status: 'answered',
    answer: 'the second',
    answered_by: owner.caller.userId,
  })
  // The contract says 100 ms; a busy test machine gets more.
  expect(performance.now() - begin).toBeLessThan(2_000)
})

test('unrelated and premature notifications do not end the wait', async () => {
  let settled = false
  const waiting = ask({ wait_seconds: 600 }).finally(() => {
    settled = true
  })
  await asked()
  const [row] = await rows()
  await notify({ type: 'claude_question_status', question_id: 'another' })
  await notify({ type: 'x', text: [row?.id], number: 1, nothing: null })
  await notify({ type: 'claude_question_status', question_id: row?.id, status: 'answered' })
  // The last one makes the call look, find the question open and wait on; a marker behind it shows that it was heard.
  const heard = new Promise<void>((resolve) => {
    const end = bench.listen((change) => {
      if (change.type !== 'marker') return
      end()
      resolve()
    })
  })
  await notify({ type: 'marker' })
  await heard
  expect(settled).toBe(false)
  await answer(row?.id, '', 'cancelled')
  await notify({ type: 'x', id: row?.id })
  expect(await waiting).toMatchObject({ status: 'cancelled' })
})

test('without any notification the poll finds the answer: one query for all who wait', async () => {
  const quick = await workbench({ pollMs: 100, db: bench.db })
  try {
    const agent = quick.agentOf(owner.caller)
    const waiting = Array.from({ length: 20 }, (_, i) => ask({ question: `q${i}`, wait_seconds: 600 }, agent))
    await expect.poll(rows, { timeout: 20_000 }).toHaveLength(20)
    const polls = quick.polls.count
    await expect.poll(() => quick.polls.count).toBeGreaterThan(polls)
    const begin = performance.now()
    await bench.db.query(`update claude_questions set status = 'answered', answer = question`)
    const before = quick.polls.count
    expect((await Promise.all(waiting)).map((question) => question.answer).sort()).toEqual(
      Array.from({ length: 20 }, (_, i) => `q${i}`).sort(),
    )
    expect(quick.polls.count - before).toBeLessThanOrEqual(3 + (performance.now() - begin) / 100)
  } finally {
    await quick.close()
  }
})

test('nobody waiting: no poll and no subscription', async () => {
  vi.useFakeTimers()
  let subscribers = 0
  let polls = 0
  const watch = new QuestionWatch({
    changes: {
      subscribe() {
        subscribers += 1
        return () => {
          subscribers -= 1
        }
      },
    },
    settled: async () => {
      polls += 1
      return []
    },
  })
  try {
    const first = watch.follow('a')
    const second = watch.follow('b')
    await vi.advanceTimersByTimeAsync(15_000)
    expect({ subscribers, polls, timers: vi.getTimerCount() }).toEqual({
      subscribers: 1,
      polls: 3,
      timers: 1,
    })
    first.end()
    first.end()
    expect(subscribers).toBe(1)
    second.end()
    expect({ subscribers, timers: vi.getTimerCount() }).toEqual({ subscribers: 0, timers: 0 })
  } finally {
    vi.useRealTimers()
  }
})

test('news that comes between two looks is not lost', async () => {
  let tell: (change: unknown) => void = () => undefined
  const watch = new QuestionWatch({
    changes: {
      subscribe(listener) {
        tell = listener
        return () => undefined
      },
    },
    settled: async () => [],
  })
  const following = watch.follow('q')
  tell({ id: 'q' })
  const never = new AbortController().signal
  await following.news(600_000, never)
  const second = following.news(600_000, never)
  watch.stop()
  await second
  following.end()
})

test('time up, cancelled, or the daemon draining: the question stays open and its id comes back', async () => {
  expect(await ask({ wait_seconds: 1 })).toMatchObject({ status: 'open', question_id: expect.any(String) })
  const abort = new AbortController()
  const cancelled = owner.ok(
    'ask_user_question',
    { story_id: storyId, question: 'q', wait_seconds: 600 },
    { signal: abort.signal },
  )
  await expect.poll(rows).toHaveLength(2)
  abort.abort()
  expect(await cancelled).toMatchObject({ status: 'open' })
  const stopping = await workbench({ db: bench.db })
  try {
    const waiting = ask({ wait_seconds: 600 }, stopping.agentOf(owner.caller))
    await expect.poll(rows).toHaveLength(3)
    stopping.questions.stop()
    expect(await waiting).toMatchObject({ status: 'open' })
    expect(await ask({ wait_seconds: 600 }, stopping.agentOf(owner.caller))).toMatchObject({ status: 'open' })
  } finally {
    await stopping.close()
  }
})

test('a database that goes away while a call waits costs the answer at most, never the id', async () => {
  const question = ask({ wait_seconds: 2 }, owner)
  await asked()
  await bench.db.query('alter table claude_questions rename to away')
  try {
    expect(await question).toMatchObject({ status: 'open', question_id: expect.any(String) })
  } finally {
    await bench.db.query('alter table away rename to claude_questions')
  }
})

test('a question past its time reads as expired everywhere, without anybody writing', async () => {
  const old = await ask()
  await bench.db.query(
    `update claude_questions set expires_at = now() at time zone 'utc' - interval '1 second'`,
  )
  const id = { question_id: old.question_id }
  expect(await owner.ok('get_question_answer', id)).toMatchObject({ status: 'expired', answer: null })
  expect(await owner.ok('list_open_questions')).toMatchObject({ count: 0, questions: [] })
  expect(await owner.fails('cancel_question', id)).toMatch(/^CONFLICT: .*it is expired/)
  expect((await rows())[0]?.status).toBe('open')
  await ask()
  expect(
    await bench.db.query('select status from claude_questions where id = $1', [old.question_id]),
  ).toEqual([{ status: 'expired' }])
})

test('a waiting call learns that its question expired, or is gone', async () => {
  const quick = await workbench({ pollMs: 50, db: bench.db })
  try {
    const waiting = ask({ wait_seconds: 600 }, quick.agentOf(owner.caller))
    await asked()
    await bench.db.query(`update claude_questions set expires_at = now() at time zone 'utc'`)
    expect(await waiting).toMatchObject({ status: 'expired' })
    // Deleted with its story, say.
    const { call } = quick.agentOf(owner.caller)
    const gone = call('ask_user_question', { story_id: storyId, question: 'q', wait_seconds: 600 })
    await expect.poll(rows).toHaveLength(2)
    await bench.db.query('delete from claude_questions')
    expect(await gone).toMatchObject({
      ...{ isError: true, content: [{ text: expect.stringMatching(/^NOT_FOUND: Question /) }] },
    })
  } finally {
    await quick.close()
  }
})

test('cancel_question: once, by its asker', async () => {
  const question = await ask()
  const id = { question_id: question.question_id }
  const member = await bench.agent()
  expect(await member.fails('cancel_question', id)).toMatch(
    /^NOT_FOUND: Question c\w+ not found or not accessible/,
  )
  await bench.db.query(`insert into product_members (id, product_id, user_id) values ($1, $2, $3)`, [
    `m${productId}`,
    productId,
    member.caller.userId,
  ])
  expect(await member.ok('get_question_answer', id)).toMatchObject({ status: 'open' })
  expect(await member.ok('list_open_questions')).toMatchObject({ count: 0 })
  expect(await member.fails('cancel_question', id)).toMatch(/^PERMISSION_DENIED: /)
  expect(await owner.ok('cancel_question', id)).toEqual({ ...id, status: 'cancelled' })
  expect(await owner.fails('cancel_question', id)).toMatch(/^CONFLICT: .*it is cancelled/)
  const second = await ask()
  await answer(second.question_id, 'yes')
  expect(await owner.fails('cancel_question', { question_id: second.question_id })).toMatch(
    /^CONFLICT: .*answered/,
  )
  expect(await owner.ok('get_question_answer', { question_id: second.question_id })).toMatchObject({
    answer: 'yes',
  })
})

test('list_open_questions: newest first, of one story, 50 at most, and short', async () => {
  const otherStory = (await seed.story(bench.db, { product_id: productId })).id
  await ask({ story_id: otherStory, question: 'other story' })
  for (let i = 0; i < 51; i += 1) await ask({ question: `q${i}` })
  const { count, questions, omitted } = await owner.ok('list_open_questions', { story_id: storyId })
  expect(count).toBe(50)
  expect(questions).toMatchObject([{ question: 'q50' }, ...Array(48).fill({}), { question: 'q1' }])
  expect(omitted).toMatchObject({ count: 1 })
  expect(await owner.ok('list_open_questions', { story_id: otherStory })).toMatchObject({
    count: 1,
    questions: [{ question: 'other story' }],
  })
  await bench.db.query('update claude_questions set question = repeat(question, 400)')
  const long = await owner.ok('list_open_questions')
  expect(JSON.stringify(long).length).toBeLessThanOrEqual(40_000)
  expect(Number(long.count) + Number(Reflect.get(Object(long.omitted), 'count'))).toBe(52)
})

test('progress is sent while a call waits', async () => {
  const messages: string[] = []
  let done: (value: string) => void = () => undefined
  const work = () => new Promise<string>((resolve) => (done = resolve))
  const waiting = whileWaiting({ progress: (message) => messages.push(message) }, 'Waiting', work, 5)
  await expect.poll(() => messages.length).toBeGreaterThan(2)
  done('x')
  expect(await waiting).toBe('x')
  expect(messages[0]).toMatch(/^Waiting, \d+ s so far\.$/)
})

import { expect, test, vi } from 'vitest'
import { QuestionWatch } from '../../daemon/backlog/question-watch.ts'
import { whileWaiting } from '../../daemon/tools/while-waiting.ts'
import { questionBench } from './question-bench.ts'
import { workbench } from './workbench.ts'

const { story, ask, rows, asked, answer, notify } = questionBench()

test.each([
  ['by the daemon', (id: string) => ({ type: 'claude_question_answered', question_id: id })],
  ['by a trigger of the web app', (id: string) => ({ op: 'U', entity: 'question', id, status: 'answered' })],
])('an answer notified %s wakes the call at once', async (_by, payload) => {
  const { owner } = story()
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
  const { bench } = story()
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
  const { bench, owner } = story()
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
  const { bench, owner, storyId } = story()
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
  const { bench, owner } = story()
  const question = ask({ wait_seconds: 2 }, owner)
  await asked()
  await bench.db.query('alter table claude_questions rename to away')
  try {
    expect(await question).toMatchObject({ status: 'open', question_id: expect.any(String) })
  } finally {
    await bench.db.query('alter table away rename to claude_questions')
  }
})

test('a waiting call learns that its question expired, or is gone', async () => {
  const { bench, owner, storyId } = story()
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

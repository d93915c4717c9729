import { expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { questionBench } from './question-bench.ts'
import type { Json } from './workbench.ts'

const { story, ask, rows, answer } = questionBench()

test('a question without waiting is open for 24 hours, and people are told', async () => {
  const { bench, owner, productId, storyId } = story()
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
  const { owner, storyId } = story()
  await ask({ question: 'q'.repeat(4_000), options: Array(8).fill('\n'.repeat(100_000)), wait_seconds: 0 })
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
  const { bench, owner, productId, storyId } = story()
  const task = await seed.task(bench.db, { product_id: productId })
  expect(
    await owner.fails('ask_user_question', { story_id: storyId, question: 'q', task_id: task.id }),
  ).toMatch(`NOT_FOUND: Task ${task.id} not found or not accessible`)
  expect(await rows()).toEqual([])
})

test('a question past its time reads as expired everywhere, without anybody writing', async () => {
  const { bench, owner } = story()
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

test('cancel_question: once, by its asker', async () => {
  const { bench, owner, productId } = story()
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
  const { bench, owner, productId, storyId } = story()
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

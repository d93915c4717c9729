import { afterAll, describe, expect, it } from 'vitest'
import { findFakeTime } from '../support/fake-time.ts'
import { Scenario } from '../support/scenario.ts'

const library = await findFakeTime()

describe.skipIf(library === undefined)('a machine whose clock is wrong', () => {
  let scenario: Scenario | undefined
  afterAll(() => scenario?.close())

  it.each([
    '+400d',
    '-400d',
  ])('by %s is present, does a job, and its question is answered', async (offset) => {
    scenario ??= await Scenario.make()
    const machine = await scenario.installation()
    const product = await scenario.product(machine)
    const clock = { LD_PRELOAD: library ?? '', FAKETIME: offset, FAKETIME_DONT_FAKE_MONOTONIC: '1' }
    await machine.start(['healthy'], clock)
    const agent = await machine.agent()
    const id = await scenario.job(product.id)
    expect(await agent.call('wait_for_job', { wait_seconds: 30 })).toMatchObject({ job_id: id })
    const [task] = await scenario.db.query(
      'select story_id from tasks t join claude_jobs j on j.task_id = t.id where j.id = $1',
      [id],
    )
    const asked = await agent.call('ask_user_question', { story_id: task?.story_id, question: 'Now?' })
    const questionId = String(asked.question_id)

    const { questions } = await machine.json<{ questions: { question_id: unknown }[] }>('questions')
    expect(questions.map(({ question_id }) => question_id)).toContain(questionId)
    expect(await machine.cli('answer', questionId, 'Yes')).toMatchObject({ code: 0 })
    const answered = await agent.call('get_question_answer', { question_id: questionId })
    expect(answered).toMatchObject({ status: 'answered', answer: 'Yes' })
    // By the database's clock, which is right.
    expect(Math.abs(Date.parse(String(answered.answered_at)) - Date.now())).toBeLessThan(3_600_000)

    const reported = await agent.call('update_job_status', { job_id: id, status: 'skipped' })
    expect(reported).toMatchObject({ delivered: true, worktree: 'removed' })
    expect(await machine.status()).toMatchObject({ state: 'healthy', presence: { state: 'present' } })
    await machine.end()
  })
})

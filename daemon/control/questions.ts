import { requireWriter, visibleTo } from '../backlog/access.ts'
import type { Backlog } from '../backlog/backlog.ts'
import { databaseTime } from '../backlog/database-time.ts'
import { notify } from '../backlog/notify.ts'
import { DaemonError, notFound } from '../errors.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

const MAX_LISTED = 100
const MAX_ANSWER = 100_000

/** Questions that agents asked about my products and that nobody has answered yet, oldest first. */
export const questionsMethod: ControlMethod = {
  name: 'questions',
  async call(_params, context) {
    const backlog = await context.backlog()
    const rows = await backlog.prisma.claudeQuestion.findMany({
      where: { ...answerable(backlog), ...openAt(await databaseTime(backlog.prisma)) },
      orderBy: [{ created_at: 'asc' }, { id: 'asc' }],
      take: MAX_LISTED,
      include: {
        product: { select: { name: true } },
        story: { select: { code: true, title: true } },
        task: { select: { code: true } },
      },
    })
    return {
      questions: rows.map((row) => ({
        question_id: row.id,
        product: row.product.name,
        story: row.story === null ? null : `${row.story.code} ${row.story.title}`,
        task: row.task?.code ?? null,
        question: row.question,
        options: row.options,
        created_at: row.created_at.toISOString(),
        expires_at: row.expires_at.toISOString(),
      })),
    }
  },
}

/** `{ question_id, answer }`: answers an open question and wakes the agent that waits for it. */
export const answerMethod: ControlMethod = {
  name: 'answer',
  async call(rawParams, context) {
    const params = new Params(rawParams)
    const id = params.text('question_id', 200)
    const answer = params.text('answer', MAX_ANSWER)
    const backlog = await context.backlog()
    requireWriter(backlog.caller)
    await backlog.prisma.$transaction(async (tx) => {
      const now = await databaseTime(tx)
      const { count } = await tx.claudeQuestion.updateMany({
        where: { id, ...answerable(backlog), ...openAt(now) },
        data: { status: 'answered', answer, answered_by: backlog.caller.userId, answered_at: now },
      })
      if (count === 0) return
      const question = await tx.claudeQuestion.findUniqueOrThrow({ where: { id } })
      await notify(tx, {
        type: 'claude_question_answered',
        question_id: id,
        user_id: question.asked_by,
        product_id: question.product_id,
        story_id: question.story_id,
        status: 'answered',
      })
    })
    return report(backlog, id, answer)
  },
}

async function report(backlog: Backlog, id: string, answer: string) {
  const question = await backlog.prisma.claudeQuestion.findFirst({ where: { id, ...answerable(backlog) } })
  if (question === null) throw notFound('Question', id)
  const isOurs = question.answer === answer && question.answered_by === backlog.caller.userId
  if (question.status !== 'answered' || !isOurs) {
    const status = question.status === 'open' ? 'expired' : question.status
    throw new DaemonError(
      'CONFLICT',
      `Question ${id} is not open any more: it is ${status}`,
      'Nothing was changed; `scrum4me-daemon questions` lists the open ones.',
    )
  }
  return { question_id: id, status: 'answered', answer }
}

function answerable({ caller }: Backlog) {
  return {
    product: visibleTo(caller),
  }
}

function openAt(now: Date) {
  return { status: 'open', expires_at: { gt: now } }
}

import { DaemonError } from '../errors.ts'
import { requireQuestion, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { databaseTime } from './database-time.ts'
import { notifyQuestion } from './notify.ts'
import type { Question } from './question.ts'
import { readQuestion } from './read-questions.ts'

/** Takes the caller's own question back; CONFLICT when it is not open any more. */
export async function cancelQuestion(backlog: Backlog, id: string): Promise<Question> {
  requireWriter(backlog.caller)
  const { askedBy } = await requireQuestion(backlog, id)
  if (askedBy !== backlog.caller.userId) {
    throw new DaemonError(
      'PERMISSION_DENIED',
      'only who asked a question may cancel it',
      'Nothing was changed; the question stays open.',
    )
  }
  return close(backlog, id, { status: 'cancelled' })
}

/** Answers a question of any product the caller can see and wakes who waits; CONFLICT when it is not open. */
export async function answerQuestion(backlog: Backlog, id: string, answer: string): Promise<Question> {
  requireWriter(backlog.caller)
  await requireQuestion(backlog, id)
  const now = await databaseTime(backlog.prisma)
  return close(backlog, id, {
    status: 'answered',
    answer,
    answered_by: backlog.caller.userId,
    answered_at: now,
  })
}

/** Conditional on the question being open, so of two who close it one wins and the other is told. */
async function close(
  backlog: Backlog,
  id: string,
  data: { status: string; answer?: string; answered_by?: string; answered_at?: Date },
): Promise<Question> {
  const { prisma } = backlog
  const closed = await prisma.$transaction(
    async (tx) => {
      const now = await databaseTime(tx)
      const { count } = await tx.claudeQuestion.updateMany({
        where: { id, status: 'open', expires_at: { gt: now } },
        data,
      })
      if (count === 0) return false
      const row = await tx.claudeQuestion.findUniqueOrThrow({
        where: { id },
        select: { id: true, status: true, story_id: true, task_id: true, product_id: true, asked_by: true },
      })
      await notifyQuestion(tx, row)
      return true
    },
    { maxWait: 10_000, timeout: 10_000 },
  )
  const question = await readQuestion(backlog, id)
  if (closed) return question
  throw new DaemonError(
    'CONFLICT',
    `the question is not open any more: it is ${question.status}`,
    'Nothing was changed; get_question_answer shows it.',
  )
}

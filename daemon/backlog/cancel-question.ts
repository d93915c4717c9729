import { DaemonError, notFound } from '../errors.ts'
import { requireQuestion, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { databaseTime } from './database-time.ts'
import { notifyQuestion } from './notify.ts'
import { readQuestion } from './read-questions.ts'

/**
 * Takes the caller's own question back. Conditional on the question being open, so of two who close
 * it one wins and the other is told: CONFLICT.
 */
export async function cancelQuestion(backlog: Backlog, id: string): Promise<void> {
  const { prisma, caller } = backlog
  requireWriter(caller)
  const { askedBy } = await requireQuestion(backlog, id)
  if (askedBy !== caller.userId) {
    throw new DaemonError(
      'PERMISSION_DENIED',
      'only who asked a question may cancel it',
      'Nothing was changed; the question stays open.',
    )
  }
  const cancelled = await prisma.$transaction(async (tx) => {
    const now = await databaseTime(tx)
    const { count } = await tx.claudeQuestion.updateMany({
      where: { id, status: 'open', expires_at: { gt: now } },
      data: { status: 'cancelled' },
    })
    if (count === 0) return false
    const row = await tx.claudeQuestion.findUnique({
      where: { id },
      select: { id: true, status: true, story_id: true, task_id: true, product_id: true, asked_by: true },
    })
    if (row === null) throw notFound('Question', id)
    await notifyQuestion(tx, row)
    return true
  })
  if (cancelled) return
  const { status } = await readQuestion(backlog, id)
  throw new DaemonError(
    'CONFLICT',
    `the question is not open any more: it is ${status}`,
    'Nothing was changed; get_question_answer shows it.',
  )
}

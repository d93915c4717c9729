import { notFound } from '../errors.ts'
import { requireStory, requireTask, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { databaseTime } from './database-time.ts'
import { notifyQuestion } from './notify.ts'
import { QUESTION_COLUMNS, QUESTION_HOURS, type Question, toQuestion } from './question.ts'

export interface NewQuestion {
  readonly storyId: string
  readonly taskId: string | undefined
  readonly question: string
  readonly options: string[] | undefined
}

/** Asks the people of the product; the question is open for 24 hours by the database's clock. */
export async function askQuestion(backlog: Backlog, asked: NewQuestion): Promise<Question> {
  const { prisma, caller } = backlog
  requireWriter(caller)
  const { productId } = await requireStory(backlog, asked.storyId)
  if (asked.taskId !== undefined) {
    const task = await requireTask(backlog, asked.taskId)
    // A task of another story is none that this question could be about.
    if (task.storyId !== asked.storyId) throw notFound('Task', asked.taskId)
  }
  return prisma.$transaction(async (tx) => {
    const now = await databaseTime(tx)
    await tx.claudeQuestion.updateMany({
      where: { asked_by: caller.userId, status: 'open', expires_at: { lte: now } },
      data: { status: 'expired' },
    })
    const row = await tx.claudeQuestion.create({
      data: {
        story_id: asked.storyId,
        task_id: asked.taskId ?? null,
        product_id: productId,
        asked_by: caller.userId,
        question: asked.question,
        ...(asked.options === undefined ? {} : { options: asked.options }),
        created_at: now,
        expires_at: new Date(now.getTime() + QUESTION_HOURS * 3_600_000),
      },
      select: QUESTION_COLUMNS,
    })
    await notifyQuestion(tx, { ...row, product_id: productId, asked_by: caller.userId })
    return toQuestion(row, now)
  })
}

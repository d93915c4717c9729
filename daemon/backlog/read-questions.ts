import { notFound } from '../errors.ts'
import { requireStory, storable, visibleTo } from './access.ts'
import type { Backlog } from './backlog.ts'
import { databaseTime } from './database-time.ts'
import { QUESTION_COLUMNS, type Question, toQuestion } from './question.ts'

/** A question of any product the caller can see, whoever of them asked it. */
export async function readQuestion({ prisma, caller }: Backlog, id: string): Promise<Question> {
  const row = storable(id)
    ? await prisma.claudeQuestion.findFirst({
        where: { id, product: visibleTo(caller) },
        select: QUESTION_COLUMNS,
      })
    : null
  if (row === null) throw notFound('Question', id)
  return toQuestion(row, await databaseTime(prisma))
}

/** The caller's own open questions, newest first, of one story or of all; and how many there are in all. */
export async function openQuestions(
  backlog: Backlog,
  limit: number,
  storyId?: string,
): Promise<{ questions: Question[]; total: number }> {
  const { prisma, caller } = backlog
  if (storyId !== undefined) await requireStory(backlog, storyId)
  const now = await databaseTime(prisma)
  const where = {
    asked_by: caller.userId,
    status: 'open',
    expires_at: { gt: now },
    product: visibleTo(caller),
    ...(storyId === undefined ? {} : { story_id: storyId }),
  }
  const rows = await prisma.claudeQuestion.findMany({
    where,
    orderBy: [{ created_at: 'desc' }, { id: 'desc' }],
    take: limit,
    select: QUESTION_COLUMNS,
  })
  const total = rows.length < limit ? rows.length : await prisma.claudeQuestion.count({ where })
  return { questions: rows.map((row) => toQuestion(row, now)), total }
}

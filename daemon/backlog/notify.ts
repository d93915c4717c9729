import type { Prisma } from '../db/generated/client.ts'

/** Sends ids on Scrum4Me's channel; inside a transaction it is delivered at commit. */
export async function notify(
  db: Prisma.TransactionClient,
  payload: Readonly<Record<string, string | null>>,
): Promise<void> {
  await db.$executeRaw`select pg_notify('scrum4me_changes', ${JSON.stringify(payload)})`
}

/** Says that a question was asked, answered or cancelled: to the web app and to daemons that wait. */
export function notifyQuestion(
  db: Prisma.TransactionClient,
  question: {
    readonly id: string
    readonly status: string
    readonly story_id: string | null
    readonly task_id: string | null
    readonly product_id: string
    readonly asked_by: string
  },
): Promise<void> {
  return notify(db, {
    type: 'claude_question_status',
    question_id: question.id,
    story_id: question.story_id,
    task_id: question.task_id,
    product_id: question.product_id,
    user_id: question.asked_by,
    status: question.status,
  })
}

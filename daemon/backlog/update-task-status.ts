import { z } from 'zod'
import type { Prisma } from '../db/generated/client.ts'
import { notFound } from '../errors.ts'
import { requireTask, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { readTask, type TaskState } from './read-task.ts'
import { rowsOf } from './rows.ts'
import { type TaskStatus, taskStatusToDatabase } from './status.ts'

/**
 * A story follows its tasks (contract 6):
 *   promoted   a task is set to done and then all tasks of the story are: story → DONE, from any status
 *   demoted    a task leaves done while the story is DONE: story → IN_SPRINT if it has a sprint, else OPEN
 */
export type StoryChange = 'promoted' | 'demoted' | null

const locked = z.object({
  story_id: z.string(),
  story_status: z.string(),
  sprint_id: z.string().nullable(),
  task_status: z.string(),
})

/** The story's row is locked first: of two tasks finished at once, the later sees the earlier. */
export async function updateTaskStatus(
  backlog: Backlog,
  taskId: string,
  status: TaskStatus,
): Promise<TaskState & { story_status_change: StoryChange }> {
  requireWriter(backlog.caller)
  await requireTask(backlog, taskId)
  const next = taskStatusToDatabase(status)
  return backlog.prisma.$transaction(async (tx) => {
    await tx.$executeRaw`set local lock_timeout = '5s'`
    await tx.$executeRaw`
        select 1 from stories where id = (select story_id from tasks where id = ${taskId}) for no key update`
    const [before] = rowsOf(
      locked,
      await tx.$queryRaw`
          select s.id as story_id, s.status::text as story_status, s.sprint_id, t.status::text as task_status
          from tasks t join stories s on s.id = t.story_id where t.id = ${taskId}`,
    )
    if (before === undefined) throw notFound('Task', taskId)
    await tx.task.updateMany({ where: { id: taskId }, data: { status: next, updated_at: new Date() } })
    const change = await storyChange(tx, before, next)
    if (change !== null) {
      const reopened = before.sprint_id === null ? 'OPEN' : 'IN_SPRINT'
      await tx.story.updateMany({
        where: { id: before.story_id },
        data: { status: change === 'promoted' ? 'DONE' : reopened, updated_at: new Date() },
      })
    }
    return { ...(await readTask(tx, taskId)), story_status_change: change }
  })
}

async function storyChange(
  tx: Prisma.TransactionClient,
  before: z.output<typeof locked>,
  next: string,
): Promise<StoryChange> {
  const storyDone = before.story_status === 'DONE'
  if (next !== 'DONE') return before.task_status === 'DONE' && storyDone ? 'demoted' : null
  if (storyDone) return null
  const open = await tx.task.count({ where: { story_id: before.story_id, status: { not: 'DONE' } } })
  return open === 0 ? 'promoted' : null
}

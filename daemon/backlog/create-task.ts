import { notFound } from '../errors.ts'
import { requireStory, requireWriter } from './access.ts'
import { append } from './append.ts'
import type { Backlog } from './backlog.ts'
import { nextTask } from './next-place.ts'

export interface NewTask {
  readonly storyId: string
  readonly title: string
  readonly description: string | undefined
  readonly implementationPlan: string | undefined
  readonly priority: number
}

/** Adds a task `T-n`, status TO_DO, after the story's other tasks; product and sprint are the story's. */
export async function createTask(backlog: Backlog, task: NewTask) {
  requireWriter(backlog.caller)
  const { productId } = await requireStory(backlog, task.storyId)
  return append(
    backlog.prisma,
    productId,
    (tx) => nextTask(tx, productId, task.storyId),
    async (tx, place) => {
      // Read here, not before the lock: the story may have entered a sprint while we waited.
      const story = await tx.story.findUnique({ where: { id: task.storyId }, select: { sprint_id: true } })
      if (story === null) throw notFound('Story', task.storyId)
      return tx.task.create({
        data: {
          product_id: productId,
          story_id: task.storyId,
          sprint_id: story.sprint_id,
          code: `T-${place.number}`,
          title: task.title,
          description: task.description ?? null,
          implementation_plan: task.implementationPlan ?? null,
          priority: task.priority,
          sort_order: place.sortOrder,
          created_at: place.now,
          updated_at: place.now,
        },
        select: {
          id: true,
          code: true,
          title: true,
          description: true,
          implementation_plan: true,
          priority: true,
          sort_order: true,
          created_at: true,
        },
      })
    },
  )
}

import { requireTask, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { readTask, type TaskState } from './read-task.ts'

/** Replaces the task's plan. A job already claimed keeps the plan it was claimed with. */
export async function updateTaskPlan(backlog: Backlog, taskId: string, plan: string): Promise<TaskState> {
  requireWriter(backlog.caller)
  await requireTask(backlog, taskId)
  await backlog.prisma.task.updateMany({
    where: { id: taskId },
    data: { implementation_plan: plan, updated_at: new Date() },
  })
  return readTask(backlog.prisma, taskId)
}

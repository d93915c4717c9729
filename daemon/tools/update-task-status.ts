import { z } from 'zod'
import { TASK_STATUSES } from '../backlog/status.ts'
import { updateTaskStatus as update } from '../backlog/update-task-status.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const updateTaskStatus = defineTool({
  name: 'update_task_status',
  title: 'Set the status of a task',
  description:
    'Moves a task to todo, in_progress, review or done and returns its plan. Set it in_progress when you begin and done when it is; the story follows by itself: done when all its tasks are, reopened when a done task is taken up again. Reporting a job (update_job_status) does not change the task, so call this too.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['tasks', 'stories', 'products', 'product_members'],
  input: z.object({
    task_id: id('The task.'),
    status: z.enum(TASK_STATUSES).describe('The new status.'),
  }),
  output: z.object({
    id: z.string().describe('The task.'),
    status: z.string().describe('Its status now.'),
    implementation_plan: z.string().nullable().describe('Its plan.'),
    story_status_change: z
      .enum(['promoted', 'demoted'])
      .nullable()
      .describe('promoted: the story is done now. demoted: it was done and is open again. null: unchanged.'),
  }),
  async call({ task_id, status }, context) {
    return update(await context.backlog(), task_id, status)
  },
})

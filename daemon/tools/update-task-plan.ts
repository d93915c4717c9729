import { z } from 'zod'
import { updateTaskPlan as update } from '../backlog/update-task-plan.ts'
import { id, text } from './arguments.ts'
import { defineTool } from './tool.ts'

export const updateTaskPlan = defineTool({
  name: 'update_task_plan',
  title: 'Replace the plan of a task',
  description:
    'Stores a new implementation plan for a task in place of the old one. Use it before you start, or when you learned that the plan was wrong; name the files to touch. A job already claimed is still verified against the plan it was claimed with, and verify_task_against_plan says that the plan was edited.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tables: ['tasks', 'products', 'product_members'],
  input: z.object({
    task_id: id('The task.'),
    implementation_plan: text('The whole new plan, markdown.'),
  }),
  output: z.object({
    id: z.string().describe('The task.'),
    status: z.string().describe('Its status.'),
    implementation_plan: z.string().nullable().describe('The plan as stored.'),
  }),
  async call({ task_id, implementation_plan }, context) {
    return update(await context.backlog(), task_id, implementation_plan)
  },
})

import { z } from 'zod'
import { createTask as create } from '../backlog/create-task.ts'
import { id, priority, text } from './arguments.ts'
import { defineTool } from './tool.ts'

export const createTask = defineTool({
  name: 'create_task',
  title: 'Create a task',
  description:
    "Adds a task after the others of a story and gives it the next code, T-n; product and sprint are the story's. Use it for one piece of work an agent can finish in a sitting; name the files to touch in implementation_plan, because verify_task_against_plan compares them. dispatch_job queues it for an agent.",
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tables: ['tasks', 'stories', 'products', 'product_members'],
  input: z.object({
    story_id: id('The story it belongs to.'),
    title: text('Short title, 1 to 200 characters.', { min: 1, max: 200 }),
    description: text('What to do, up to 4,000 characters.', { max: 4_000 }).optional(),
    implementation_plan: text('How to do it, with file paths, up to 8,000 characters.', {
      max: 8_000,
    }).optional(),
    priority: priority(),
  }),
  output: z.object({
    id: z.string().describe('The new task, for dispatch_job and the task tools.'),
    code: z.string().describe('Its code, T-n.'),
    title: z.string().describe('Title.'),
    description: z.string().nullable().describe('Description.'),
    implementation_plan: z.string().nullable().describe('Implementation plan.'),
    priority: z.int().describe('1 to 4.'),
    status: z.literal('TO_DO').describe('A new task is to do.'),
    sort_order: z.number().describe('Position among its siblings, ascending.'),
    created_at: z.string().describe('ISO 8601 in UTC.'),
  }),
  async call(input, context) {
    const task = await create(await context.backlog(), {
      storyId: input.story_id,
      title: input.title,
      description: input.description,
      implementationPlan: input.implementation_plan,
      priority: input.priority,
    })
    return { ...task, status: 'TO_DO' as const, created_at: task.created_at.toISOString() }
  },
})

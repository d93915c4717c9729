import { z } from 'zod'
import { createStory as create } from '../backlog/create-story.ts'
import { id, priority, text } from './arguments.ts'
import { defineTool } from './tool.ts'

export const createStory = defineTool({
  name: 'create_story',
  title: 'Create a story',
  description:
    'Adds a story after the others of a product backlog item and gives it the next code, ST-nnn. Use it for one thing a user gets; write acceptance criteria that can be checked, one a line, because verify_task_against_plan looks for each. Then add its tasks with create_task.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tables: ['stories', 'pbis', 'products', 'product_members'],
  input: z.object({
    pbi_id: id('The PBI it belongs to.'),
    title: text('Short title, 1 to 200 characters.', { min: 1, max: 200 }),
    description: text('What is wanted and why, up to 4,000 characters.', { max: 4_000 }).optional(),
    acceptance_criteria: text('When it is done, one criterion a line, up to 4,000 characters.', {
      max: 4_000,
    }).optional(),
    priority: priority(),
  }),
  output: z.object({
    id: z.string().describe('The new story, for create_task, the log tools and ask_user_question.'),
    code: z.string().describe('Its code, ST-nnn.'),
    title: z.string().describe('Title.'),
    description: z.string().nullable().describe('Description.'),
    acceptance_criteria: z.string().nullable().describe('Acceptance criteria.'),
    priority: z.int().describe('1 to 4.'),
    status: z.literal('OPEN').describe('A new story is open and in no sprint.'),
    sort_order: z.number().describe('Position among its siblings, ascending.'),
    created_at: z.string().describe('ISO 8601 in UTC.'),
  }),
  async call(input, context) {
    const story = await create(await context.backlog(), {
      pbiId: input.pbi_id,
      title: input.title,
      description: input.description,
      acceptanceCriteria: input.acceptance_criteria,
      priority: input.priority,
    })
    return { ...story, status: 'OPEN' as const, created_at: story.created_at.toISOString() }
  },
})

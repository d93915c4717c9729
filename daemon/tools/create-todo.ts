import { z } from 'zod'
import { createTodo as create } from '../backlog/create-todo.ts'
import { id, text } from './arguments.ts'
import { defineTool } from './tool.ts'

export const createTodo = defineTool({
  name: 'create_todo',
  title: 'Create a todo',
  description:
    'Writes down something for your user to look at later, outside the backlog. Use it for what you noticed but should not do now; for real work create a PBI, story or task instead. Open todos come back in get_claude_context.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tables: ['todos', 'products', 'product_members'],
  input: z.object({
    title: text('What to remember.', { min: 1 }),
    description: text('More about it, up to 2,000 characters.', { max: 2_000 }).optional(),
    product_id: id('The product it is about; without, about none.').optional(),
  }),
  output: z.object({
    id: z.string().describe('The new todo.'),
    title: z.string().describe('Title.'),
    description: z.string().nullable().describe('Description.'),
    created_at: z.string().describe('ISO 8601 in UTC.'),
  }),
  async call({ title, description, product_id }, context) {
    const todo = await create(await context.backlog(), { title, description, productId: product_id })
    return { ...todo, created_at: todo.created_at.toISOString() }
  },
})

import { z } from 'zod'
import { createPbi as create } from '../backlog/create-pbi.ts'
import { id, priority, text } from './arguments.ts'
import { defineTool } from './tool.ts'

export const createPbi = defineTool({
  name: 'create_pbi',
  title: 'Create a product backlog item',
  description:
    'Adds a product backlog item after the others of a product and gives it the next code, PBI-n. Use it for a new goal or feature; then break it down with create_story, which needs the returned id.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
  tables: ['pbis', 'products', 'product_members'],
  input: z.object({
    product_id: id('The product it belongs to.'),
    title: text('Short title, 1 to 200 characters.', { min: 1, max: 200 }),
    description: text('What is wanted and why, up to 4,000 characters.', { max: 4_000 }).optional(),
    priority: priority(),
  }),
  output: z.object({
    id: z.string().describe('The new PBI, for create_story and set_pbi_pr.'),
    code: z.string().describe('Its code, PBI-n.'),
    title: z.string().describe('Title.'),
    description: z.string().nullable().describe('Description.'),
    priority: z.int().describe('1 to 4.'),
    sort_order: z.number().describe('Position among its siblings, ascending.'),
    created_at: z.string().describe('ISO 8601 in UTC.'),
  }),
  async call(input, context) {
    const pbi = await create(await context.backlog(), {
      productId: input.product_id,
      title: input.title,
      description: input.description,
      priority: input.priority,
    })
    return { ...pbi, created_at: pbi.created_at.toISOString() }
  },
})

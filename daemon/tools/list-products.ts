import { z } from 'zod'
import { listProducts as list } from '../backlog/list-products.ts'
import { omit, omitted } from './omitted.ts'
import { takeWithin } from './shrink.ts'
import { defineTool } from './tool.ts'

/** More would not fit an answer. */
const MAX_PRODUCTS = 200

export const listProducts = defineTool({
  name: 'list_products',
  title: 'List products',
  description:
    'Lists the products you own or are a member of, newest first, without archived ones. Use it to find the product_id that other tools ask for. Then call get_claude_context, which returns one product with its active sprint and next story.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['products', 'product_members'],
  input: z.object({}),
  output: z.object({
    products: z
      .array(
        z.object({
          id: z.string().describe('Product id, for other tools.'),
          code: z.string().nullable().describe('Short code, if the product has one.'),
          name: z.string().describe('Name.'),
          description: z.string().nullable().describe('What the product is.'),
          repo_url: z.string().nullable().describe('Where its repository lives.'),
          definition_of_done: z.string().describe('What must hold before work on it is done.'),
        }),
      )
      .describe('Newest first.'),
    omitted,
  }),
  async call(_input, context) {
    const { products, total } = await list(await context.backlog(), MAX_PRODUCTS)
    const { kept } = takeWithin(products)
    return {
      products: kept,
      ...omit(
        total - kept.length,
        'get_claude_context shows any product by its id; archived products are not listed.',
      ),
    }
  },
})

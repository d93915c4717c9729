import { z } from 'zod'
import { markMerged } from '../backlog/pull-request.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const markPbiPrMerged = defineTool({
  name: 'mark_pbi_pr_merged',
  title: 'Mark the pull request of a PBI as merged',
  description:
    'Records that the pull request linked to a product backlog item was merged, now. Call it after the merge; a PBI without a linked pull request is refused with CONFLICT (set_pbi_pr links one). Called again it returns the time recorded first.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['pbis', 'products', 'product_members'],
  input: z.object({ pbi_id: id('The PBI.') }),
  output: z.object({
    ok: z.literal(true).describe('Always true.'),
    pbi_id: z.string().describe('The PBI.'),
    pr_url: z.string().describe('The pull request.'),
    pr_merged_at: z.string().describe('When it was marked as merged, ISO 8601 in UTC.'),
  }),
  async call({ pbi_id }, context) {
    const { pr_url, pr_merged_at } = await markMerged(await context.backlog(), pbi_id)
    return { ok: true as const, pbi_id, pr_url, pr_merged_at: pr_merged_at.toISOString() }
  },
})

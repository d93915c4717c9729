import { z } from 'zod'
import { countJobs } from '../backlog/count-jobs.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const checkQueueEmpty = defineTool({
  name: 'check_queue_empty',
  title: 'Check whether the queue is empty',
  description:
    'Counts your jobs that are still queued, claimed or running, at once and without waiting. Use it after a final report to decide whether to call wait_for_job again or to finish.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['claude_jobs', 'products', 'product_members'],
  input: z.object({
    product_id: id('Count the jobs of this product only.').optional(),
  }),
  output: z.object({
    empty: z.boolean().describe('True when nothing is left to do or in progress.'),
    remaining: z.int().describe('Jobs that are queued, claimed or running.'),
    by_product: z
      .record(z.string(), z.int())
      .optional()
      .describe('Product id to number of jobs; only without product_id, and only products with jobs.'),
  }),
  async call({ product_id }, context) {
    const counts = await countJobs(await context.backlog(), product_id)
    const remaining = [...counts.values()].reduce((sum, count) => sum + count, 0)
    return {
      empty: remaining === 0,
      remaining,
      ...(product_id === undefined ? { by_product: Object.fromEntries(counts) } : {}),
    }
  },
})

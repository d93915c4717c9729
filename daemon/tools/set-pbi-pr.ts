import { z } from 'zod'
import { setPullRequest } from '../backlog/pull-request.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

/**
 * No user or password part: what people put there is a secret. Clients get this as the schema's `pattern` and read
 * it each in its own dialect, so it is plain; what looks like nothing is refused here alone.
 */
const PULL_REQUEST = /^https:\/\/[^\s/@?#]+(?:\/[^\s/@?#]+)+\/pulls?\/[0-9]+$/
const INVISIBLE = /\p{C}/u
const SHAPE = 'must be an https URL that ends in /pull/<number> or /pulls/<number>'

export const setPbiPr = defineTool({
  name: 'set_pbi_pr',
  title: 'Link a pull request to a PBI',
  description:
    'Stores the URL of the pull request that delivers a product backlog item, in place of an earlier one, and forgets that an earlier one was merged. Call it after you opened the pull request; when it is merged call mark_pbi_pr_merged.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tables: ['pbis', 'products', 'product_members'],
  input: z.object({
    pbi_id: id('The PBI.'),
    pr_url: z
      .string()
      .max(2_000)
      .regex(PULL_REQUEST, { error: SHAPE, abort: true })
      .refine((url) => !INVISIBLE.test(url), { error: SHAPE })
      .describe('https URL of the pull request, ending in /pull/<number> or /pulls/<number>.'),
  }),
  output: z.object({
    ok: z.literal(true).describe('Always true.'),
    pbi_id: z.string().describe('The PBI.'),
    pr_url: z.string().describe('The URL as stored.'),
  }),
  async call({ pbi_id, pr_url }, context) {
    await setPullRequest(await context.backlog(), pbi_id, pr_url)
    return { ok: true as const, pbi_id, pr_url }
  },
})

import { z } from 'zod'
import { id, jsonObject, text } from './arguments.ts'

/** What the three log tools share. */
export const logInput = {
  story_id: id('The story worked on.'),
  content: text('Markdown for the people who read the log.', { min: 1 }),
  metadata: jsonObject('Anything worth keeping beside it, such as { "branch": "feat/x" }.').optional(),
}

export const logOutput = z.object({
  id: z.string().describe('The log entry.'),
  created_at: z.string().describe('ISO 8601 in UTC.'),
})

export const LOG_ANNOTATIONS = {
  readOnlyHint: false,
  destructiveHint: false,
  idempotentHint: false,
  openWorldHint: false,
} as const

export const LOG_TABLES = ['story_logs', 'stories', 'products', 'product_members'] as const

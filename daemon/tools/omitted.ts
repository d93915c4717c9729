import { z } from 'zod'

/** Present only where a list was cut: how many entries are missing and how to see them. */
export const omitted = z
  .object({
    count: z.int().describe('How many entries are left out.'),
    how: z.string().describe('How to see them.'),
  })
  .optional()
  .describe('Only present when the list was cut to keep the answer short.')

export function omit(count: number, how: string): { omitted?: { count: number; how: string } } {
  return count > 0 ? { omitted: { count, how } } : {}
}

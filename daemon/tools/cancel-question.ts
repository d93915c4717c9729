import { z } from 'zod'
import { cancelQuestion as cancel } from '../backlog/cancel-question.ts'
import { id } from './arguments.ts'
import { defineTool } from './tool.ts'

export const cancelQuestion = defineTool({
  name: 'cancel_question',
  title: 'Cancel a question',
  description:
    'Takes back an open question that you asked and no longer need answered. A question that was answered, cancelled or has expired is refused with CONFLICT; get_question_answer shows it then.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: false, openWorldHint: false },
  tables: ['claude_questions', 'products', 'product_members'],
  input: z.object({ question_id: id('The question.') }),
  output: z.object({
    question_id: z.string().describe('The question.'),
    status: z.literal('cancelled').describe('Always cancelled.'),
  }),
  async call({ question_id }, context) {
    await cancel(await context.backlog(), question_id)
    return { question_id, status: 'cancelled' as const }
  },
})

import { z } from 'zod'
import { openQuestions } from '../backlog/read-questions.ts'
import { id } from './arguments.ts'
import { omit, omitted } from './omitted.ts'
import { locatedQuestionShape } from './question-schema.ts'
import { takeWithin } from './shrink.ts'
import { defineTool } from './tool.ts'

const MAX_QUESTIONS = 50

export const listOpenQuestions = defineTool({
  name: 'list_open_questions',
  title: 'List your open questions',
  description:
    'Lists the questions you asked that nobody has answered yet, newest first, 50 at most. Use it at the start of a session to find what an earlier one left open; get_question_answer shows those answered meanwhile, cancel_question takes back what is no longer needed.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['claude_questions', 'stories', 'products', 'product_members'],
  input: z.object({ story_id: id('Only questions about this story.').optional() }),
  output: z.object({
    count: z.int().describe('Number of questions listed.'),
    questions: z
      .array(
        z.object({
          ...locatedQuestionShape,
          created_at: z.string().describe('When it was asked, ISO 8601 in UTC.'),
        }),
      )
      .describe('Newest first.'),
    omitted,
  }),
  async call({ story_id }, context) {
    const { questions, total } = await openQuestions(await context.backlog(), MAX_QUESTIONS, story_id)
    const { kept } = takeWithin(questions)
    return {
      count: kept.length,
      questions: kept,
      ...omit(
        total - kept.length,
        'Older ones are left out: name a story_id, or cancel those no longer needed.',
      ),
    }
  },
})

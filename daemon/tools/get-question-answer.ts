import { z } from 'zod'
import { readQuestion } from '../backlog/read-questions.ts'
import { id } from './arguments.ts'
import { locatedQuestionShape, showLocatedQuestion } from './question-schema.ts'
import { defineTool } from './tool.ts'

export const getQuestionAnswer = defineTool({
  name: 'get_question_answer',
  title: 'Get the answer to a question',
  description:
    'Returns a question with its answer, if there is one. Use it for a question that was still open when ask_user_question returned, between other work; it does not wait.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: ['claude_questions', 'products', 'product_members'],
  input: z.object({ question_id: id('The question.') }),
  output: z.object(locatedQuestionShape),
  async call({ question_id }, context) {
    return showLocatedQuestion(await readQuestion(await context.backlog(), question_id))
  },
})

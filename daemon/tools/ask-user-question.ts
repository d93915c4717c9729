import { z } from 'zod'
import { askQuestion } from '../backlog/ask-question.ts'
import { awaitAnswer } from '../backlog/await-answer.ts'
import { readQuestion } from '../backlog/read-questions.ts'
import { id, seconds, text } from './arguments.ts'
import { inspectJson } from './inspect-json.ts'
import { questionShape, showQuestion } from './question-schema.ts'
import { defineTool } from './tool.ts'
import { whileWaiting } from './while-waiting.ts'

export const askUserQuestion = defineTool({
  name: 'ask_user_question',
  title: 'Ask the people behind a story',
  description:
    'Asks the people of the product a question about a story and, with wait_seconds, waits for the answer. Use it when the story does not say what to do and a wrong guess would cost more than the wait; offer options where you can. Without an answer in time status is open: go on with other work and call get_question_answer later. A question expires after 24 hours.',
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
  tables: ['claude_questions', 'stories', 'tasks', 'products', 'product_members'],
  input: z.object({
    story_id: id('The story it is about.'),
    question: text('The question, 1 to 4,000 characters, understandable without your context.', {
      min: 1,
      max: 4_000,
    }),
    options: z
      .array(text('An answer to choose.', { min: 1 }))
      .max(8)
      // Their lengths are bounded one by one; written as JSON, with its quotes and escapes, they are longer.
      .refine((options) => inspectJson(options, Number.POSITIVE_INFINITY) === undefined, {
        error: 'must be well-formed Unicode',
      })
      .optional()
      .describe('Up to 8 answers to choose from; people may answer otherwise.'),
    task_id: id('The task of that story it is about.').optional(),
    wait_seconds: seconds('How long to wait for the answer, 0 to 600 seconds; default 0.', 0, 600).optional(),
  }),
  output: z.object(questionShape),
  async call(input, context) {
    const backlog = await context.backlog()
    const asked = await askQuestion(backlog, {
      storyId: input.story_id,
      taskId: input.task_id,
      question: input.question,
      options: input.options,
    })
    const wait = (input.wait_seconds ?? 0) * 1_000
    if (wait === 0) return showQuestion(asked)
    const read = () => readQuestion(backlog, asked.question_id)
    const answered = await whileWaiting(context, 'Waiting for an answer', () =>
      awaitAnswer(asked, read, context.questions, wait, context.signal),
    )
    return showQuestion(answered)
  },
})

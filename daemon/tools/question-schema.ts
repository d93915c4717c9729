import { z } from 'zod'
import type { Question } from '../backlog/question.ts'

/** A question as `ask_user_question` answers it. */
export const questionShape = {
  question_id: z.string().describe('The question, for get_question_answer and cancel_question.'),
  status: z.string().describe('open, answered, cancelled or expired.'),
  question: z.string().describe('What was asked.'),
  options: z.array(z.string()).nullable().describe('The answers offered, or null.'),
  answer: z.string().nullable().describe('The answer, once status is answered.'),
  answered_by: z.string().nullable().describe('Id of the user who answered.'),
  answered_at: z.string().nullable().describe('ISO 8601 in UTC.'),
  expires_at: z.string().describe('When the question expires unanswered, ISO 8601 in UTC.'),
}

/** The same with what the question is about. */
export const locatedQuestionShape = {
  ...questionShape,
  story_id: z.string().nullable().describe('The story it is about.'),
  task_id: z.string().nullable().describe('The task it is about, if one was named.'),
}

export function showQuestion({ story_id, task_id, created_at, ...question }: Question) {
  return question
}

export function showLocatedQuestion({ created_at, ...question }: Question) {
  return question
}

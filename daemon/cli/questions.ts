import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { printable } from './style.ts'
import { agoText } from './units.ts'

/** Open questions of agents. */
export async function questions(
  invocation: Invocation,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, 'questions')
  const list = new Reply(answer).list('questions')
  invocation.terminal.out(options.json ? JSON.stringify(answer, null, 2) : questionsText(list, Date.now()))
  return 0
}

export function questionsText(questions: readonly Reply[], now: number): string {
  if (questions.length === 0) return 'No open questions.'
  return questions
    .map((question) => {
      const about = [question.text('product'), question.text('story'), question.text('task')]
      const options = question.texts('options').map((option) => `    - ${printable(option)}`)
      return [
        `${question.text('question_id')}  asked ${agoText(question.text('created_at'), now)} ago`,
        `  ${printable(about.filter((part) => part !== '').join(' · '))}`,
        ...question
          .text('question')
          .split('\n')
          .map((line) => `  ${printable(line)}`),
        ...options,
      ].join('\n')
    })
    .join('\n\n')
}

export async function answer(
  invocation: Invocation,
  questionId: string,
  text: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const reply = await askRaw(invocation, 'answer', { question_id: questionId, answer: text })
  invocation.terminal.out(options.json ? JSON.stringify(reply, null, 2) : `Answered ${questionId}.`)
  return 0
}

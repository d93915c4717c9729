import { DaemonError } from '../errors.ts'
import type { Question } from './question.ts'
import type { QuestionWatch } from './question-watch.ts'

/**
 * The question once it is no longer open, or as it stands after `ms`, when the signal aborts or the watch stops.
 * While the database is away the wait goes on: the caller must get the question's id in any case. NOT_FOUND once it
 * is gone or not the caller's to see any more.
 */
export async function awaitAnswer(
  asked: Question,
  read: () => Promise<Question>,
  watch: QuestionWatch,
  ms: number,
  signal: AbortSignal,
): Promise<Question> {
  const end = performance.now() + ms
  const following = watch.follow(asked.question_id)
  let known = asked
  try {
    for (;;) {
      // First read after following: an answer that came in between is not missed.
      known = await read().catch((error: unknown) => {
        if (error instanceof DaemonError && error.code === 'NOT_FOUND') throw error
        return known
      })
      const left = end - performance.now()
      if (known.status !== 'open' || left <= 0 || signal.aborted || watch.stopped) return known
      await following.news(left, signal)
    }
  } finally {
    following.end()
  }
}

/**
 *   open ── a person answers (web app, `answer`) ──▶ answered
 *     ├── its asker cancels ──▶ cancelled
 *     └── 24 hours pass ──▶ expired
 * Nobody writes `expired` on time: a row that is open past `expires_at` reads as expired everywhere,
 * and the asker's next question writes it down.
 */
export const QUESTION_HOURS = 24

export interface Question {
  readonly question_id: string
  readonly story_id: string | null
  readonly task_id: string | null
  readonly status: string
  readonly question: string
  readonly options: string[] | null
  readonly answer: string | null
  readonly answered_by: string | null
  /** ISO 8601, UTC; so are the other times. */
  readonly answered_at: string | null
  readonly created_at: string
  readonly expires_at: string
}

/** What a query for questions selects. */
export const QUESTION_COLUMNS = {
  id: true,
  story_id: true,
  task_id: true,
  status: true,
  question: true,
  options: true,
  answer: true,
  answered_by: true,
  answered_at: true,
  created_at: true,
  expires_at: true,
} as const

export interface QuestionRow extends Pick<Question, 'story_id' | 'task_id' | 'answer' | 'answered_by'> {
  readonly id: string
  readonly status: string
  readonly question: string
  readonly options: unknown
  readonly answered_at: Date | null
  readonly created_at: Date
  readonly expires_at: Date
}

/** `now` is the database's. */
export function toQuestion(row: QuestionRow, now: Date): Question {
  return {
    question_id: row.id,
    story_id: row.story_id,
    task_id: row.task_id,
    status: row.status === 'open' && row.expires_at <= now ? 'expired' : row.status,
    question: row.question,
    options: Array.isArray(row.options) ? row.options.map(optionText) : null,
    answer: row.answer,
    answered_by: row.answered_by,
    answered_at: row.answered_at?.toISOString() ?? null,
    created_at: row.created_at.toISOString(),
    expires_at: row.expires_at.toISOString(),
  }
}

/** Options that another writer stored as objects are shown as they are. */
function optionText(option: unknown): string {
  return typeof option === 'string' ? option : JSON.stringify(option)
}

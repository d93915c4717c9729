import type { ActiveJob } from '../backlog/active-job.ts'
import type { Backlog } from '../backlog/backlog.ts'
import type { QuestionWatch } from '../backlog/question-watch.ts'
import type { Logger } from '../logger.ts'
import type { JobCalls } from './job-calls.ts'

/** What a tool call may use: the services behind it and the session that called. */
export interface ToolContext {
  /** Checks the token and gives access to the backlog as its user; throws UNAUTHORIZED or DATABASE_UNAVAILABLE. */
  backlog(): Promise<Backlog>
  /** Whether the database answers now; needs no token, has a deadline of its own, never throws. */
  database(): Promise<'ok' | 'down'>
  /** Tables of `prisma/schema.prisma` that a shared database lacks. */
  readonly missingTables: ReadonlySet<string>
  /** One per daemon: what `ask_user_question` waits on. */
  readonly questions: QuestionWatch
  /** The job for this task that a session on this machine holds, or null. */
  activeJob(taskId: string): Promise<ActiveJob | null>
  /** Absolute path of the product's clone here (session, environment, file: contract 2), or null. */
  repoRoot(productId: string): Promise<string | null>
  /**
   * Runs git without hooks, fsmonitor, pager or prompt, with a minimal environment, a deadline and
   * bounded output; resolves to stdout, rejects on a non-zero exit.
   */
  git(cwd: string, args: readonly string[]): Promise<string>
  /** Claims, reports and worktrees, bound to the session that calls. */
  readonly jobs: JobCalls
  /** Aborts when the client cancels the call or its connection closes. */
  readonly signal: AbortSignal
  /** Sends an MCP progress notification if the client asked for progress; never throws. */
  progress(message: string): void
  readonly log: Logger
  /** A text that leaves the process: registered secrets blanked, our commands as typed for this home. */
  clean(text: string): string
}

import { z } from 'zod'
import { DaemonError } from '../errors.ts'
import { id, text } from './arguments.ts'
import { defineTool } from './tool.ts'

const TEXT = z.string().nullable()

const OUTPUT = z.object({
  job_id: z.string().describe('The job.'),
  status: z.enum(['running', 'done', 'failed', 'skipped']).describe('The status it has now.'),
  delivered: z
    .boolean()
    .describe('False: the database is away; the report is kept on disk and delivered once by itself.'),
  branch: TEXT.describe('The branch on record.'),
  pushed_at: TEXT.describe('When the branch was seen on origin with your last commit, UTC; null: not there.'),
  summary: TEXT.describe('The summary on record.'),
  error: TEXT.describe('The error on record.'),
  started_at: TEXT.describe('When the job was first reported running, UTC.'),
  finished_at: TEXT.describe('When it ended, UTC.'),
  worktree: z
    .enum(['removed', 'deferred', 'kept', 'none'])
    .describe('deferred: removed when the last process has left it. kept: still there.'),
  salvage_ref: TEXT.describe(
    'Where unpushed work was saved; `scrum4me-daemon worktrees restore` brings it back.',
  ),
  ignored: z
    .object({ files: z.int().describe('How many.'), bytes: z.int().describe('Their size.') })
    .nullable()
    .describe('Files ignored by git that went with the worktree; they are not saved.'),
  next_action: z.enum(['idle', 'wait_for_job_again', 'queue_empty']).describe('What to do now.'),
})

export const updateJobStatus = defineTool({
  name: 'update_job_status',
  title: 'Report on a job',
  description:
    'Reports on the job that wait_for_job gave you: running when you begin, then exactly one of done, failed or skipped. Push your branch before you report done, and name it, or it is deleted with the worktree; whatever is not on a remote is saved first and salvage_ref names it. Do what next_action says: wait_for_job_again calls wait_for_job, queue_empty means nothing is left.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tables: ['claude_jobs'],
  input: z.object({
    job_id: id('The job you hold.'),
    status: z
      .enum(['running', 'done', 'failed', 'skipped'])
      .describe('running: you work on it. done, failed, skipped: it is over, with this result.'),
    branch: text('The branch that carries the result; kept with done.', { min: 1, max: 250 }).optional(),
    summary: text('What was done, for people who read the board.', { max: 4000 }).optional(),
    error: text('Why it failed or was skipped.', { max: 2000 }).optional(),
  }),
  output: OUTPUT,
  async call(input, { jobs, git }) {
    if (input.branch !== undefined) await checkBranch(input.branch, git)
    const answer = await jobs.report({
      jobId: input.job_id,
      status: input.status,
      branch: input.branch ?? null,
      summary: input.summary ?? null,
      error: input.error ?? null,
    })
    return OUTPUT.parse(answer)
  },
})

/** Git itself decides what a branch may be called (contract 6); `/` is no repository, so nothing expands. */
async function checkBranch(
  branch: string,
  git: (cwd: string, args: readonly string[]) => Promise<string>,
): Promise<void> {
  try {
    await git('/', ['check-ref-format', '--branch', branch])
  } catch (error) {
    throw new DaemonError(
      'VALIDATION_ERROR',
      'branch is no name that git accepts for a branch',
      'Name the branch as `git branch --show-current` prints it; nothing was changed.',
      error,
    )
  }
}

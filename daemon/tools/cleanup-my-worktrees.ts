import { z } from 'zod'
import { defineTool } from './tool.ts'

const ENTRIES = z.array(
  z.object({
    job_id: z.string().nullable().describe('The job it was made for, if known.'),
    path: z.string().describe('The directory.'),
    reason: z.string().describe('Why it is in this list.'),
    bytes: z.int().nullable().describe('Its size, if measured.'),
    salvage_ref: z.string().nullable().describe('Where unpushed work was saved.'),
  }),
)

export const cleanupMyWorktrees = defineTool({
  name: 'cleanup_my_worktrees',
  title: 'Remove worktrees of finished jobs',
  description:
    'Removes the worktrees of jobs that have ended, after saving whatever is in them and not on a remote. Use it when the disk fills up; it happens by itself every hour. Every directory found is in exactly one list, with the reason; worktrees of active jobs are kept.',
  annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
  tables: ['claude_jobs'],
  input: z.object({}),
  output: z.object({
    removed: ENTRIES.describe(
      'Removed now, each with job_id, path, reason, bytes and salvage_ref if work was saved.',
    ),
    kept: ENTRIES.describe('Kept: the job is not over, somebody is in it, or its work could not be saved.'),
    skipped: ENTRIES.describe('Not made by this daemon, or not decidable now; left alone.'),
  }),
  call: (_input, { jobs }) => jobs.cleanUp(),
})

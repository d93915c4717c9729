import { z } from 'zod'
import type { JobCalls } from './job-calls.ts'
import { omit, omitted } from './omitted.ts'
import { jsonBytes, MAX_RESULT_BYTES, takeWithin } from './shrink.ts'
import { defineTool } from './tool.ts'

const PART = z.record(z.string(), z.unknown())
/** For each of the four lists. */
const LIST_BYTES = MAX_RESULT_BYTES / 5

const OUTPUT = z.object({
  state: z.string().describe('healthy, degraded, starting or draining.'),
  problems: z.array(PART).describe('What is wrong: code, message, remedy.'),
  daemon: PART.nullable().describe('Version, pid, uptime, supervisor, home.'),
  presence: PART.nullable().describe('Whether this machine shows as present, and its last heartbeat.'),
  database: PART.nullable().describe('Which database, whether it answers, and the state of LISTEN.'),
  sessions: z.array(PART).describe('Agent sessions connected here and what they do.'),
  jobs: z.array(PART).describe('Jobs claimed by this machine.'),
  worktrees: PART.nullable().describe('Worktrees with their size, and saved work.'),
  queue: PART.nullable().describe('Your unfinished jobs by status.'),
  missing_tools: z
    .array(
      z.object({
        name: z.string().describe('The tool.'),
        missing_tables: z.array(z.string()).describe('Tables that this database lacks, in whole or in part.'),
      }),
    )
    .describe('Tools left out of the catalog, with the reason.'),
  omitted,
})

export const workerStatus = defineTool({
  name: 'worker_status',
  title: 'State of this machine’s daemon',
  description:
    'Tells how the daemon on this machine is: presence, database, sessions, jobs, worktrees, queue, and each problem with its remedy. Use it when a call failed with a code you do not understand, or when no job comes although one is queued. It changes nothing.',
  annotations: { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false },
  tables: [],
  input: z.object({}),
  output: OUTPUT,
  async call(_input, { jobs, clean }) {
    const report = await jobs.status()
    if (jsonBytes(report) <= MAX_RESULT_BYTES) return OUTPUT.parse(report)
    const { shown, left } = shorten(report)
    return OUTPUT.parse({ ...shown, ...omit(left, clean('`scrum4me-daemon status --json` has them all.')) })
  },
})

/** Of a machine with hundreds of agents the first of each list: room for all else, and what is wrong comes first. */
function shorten(report: Awaited<ReturnType<JobCalls['status']>>) {
  const { worktrees } = report
  const problems = takeWithin(report.problems, LIST_BYTES)
  const sessions = takeWithin(report.sessions, LIST_BYTES)
  const jobs = takeWithin(report.jobs, LIST_BYTES)
  const entries = takeWithin(worktrees?.entries ?? [], LIST_BYTES)
  const shown = {
    ...{ ...report, problems: problems.kept, sessions: sessions.kept, jobs: jobs.kept },
    worktrees: worktrees === null ? null : { ...worktrees, entries: entries.kept },
  }
  return { shown, left: problems.left + sessions.left + jobs.left + entries.left }
}

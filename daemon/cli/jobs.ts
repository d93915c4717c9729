import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { table } from './table.ts'
import { agoText } from './units.ts'

export type JobAction = 'cancel' | 'release' | 'requeue'

/** What is queued, claimed, held here, and what ended last. */
export async function jobs(invocation: Invocation, options: { readonly json?: boolean }): Promise<number> {
  const answer = await askRaw(invocation, 'jobs')
  invocation.terminal.out(
    options.json ? JSON.stringify(answer, null, 2) : jobsText(new Reply(answer).list('jobs'), Date.now()),
  )
  return 0
}

export function jobsText(jobs: readonly Reply[], now: number): string {
  if (jobs.length === 0) return 'No jobs.'
  const rows = jobs.map((job) => [
    job.text('job_id'),
    job.flag('held_here') ? `${job.text('status')} here` : job.text('status'),
    job.text('task') || '-',
    job.text('product'),
    agoText(job.text('claimed_at') || job.text('created_at'), now),
    job.text('error') || job.text('branch'),
  ])
  return table([['JOB', 'STATUS', 'TASK', 'PRODUCT', 'SINCE', ''], ...rows]).join('\n')
}

export async function actOnJob(
  invocation: Invocation,
  action: JobAction,
  jobId: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, `job-${action}`, { job_id: jobId })
  invocation.terminal.out(
    options.json ? JSON.stringify(answer, null, 2) : `Job ${jobId} is ${new Reply(answer).text('status')}.`,
  )
  return 0
}

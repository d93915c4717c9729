import { askRaw } from './ask-daemon.ts'
import type { Invocation } from './invocation.ts'
import { Reply } from './reply.ts'
import { columnText } from './style.ts'
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
    columnText(job.text('task')) || '-',
    job.text('product'),
    when(job, now),
    job.text('error') || job.text('branch'),
  ])
  return table([['JOB', 'STATUS', 'TASK', 'PRODUCT', 'WHEN', ''], ...rows]).join('\n')
}

/** The last thing that is known to have happened to it, by name: rows do not tell since when a job is queued. */
function when(job: Reply, now: number): string {
  const status = job.text('status')
  const active = status === 'claimed' || status === 'running'
  const [word, time] = active
    ? ['claimed', job.text('claimed_at')]
    : status === 'queued'
      ? ['created', job.text('created_at')]
      : ['ended', job.text('finished_at')]
  return time === ''
    ? `created ${agoText(job.text('created_at'), now)} ago`
    : `${word} ${agoText(time, now)} ago`
}

export async function actOnJob(
  invocation: Invocation,
  action: JobAction,
  jobId: string,
  options: { readonly json?: boolean },
): Promise<number> {
  const answer = await askRaw(invocation, `job-${action}`, { job_id: jobId })
  const { terminal } = invocation
  if (options.json) {
    terminal.out(JSON.stringify(answer, null, 2))
    return 0
  }
  terminal.out(`Job ${jobId} is ${new Reply(answer).text('status')}.`)
  if (action === 'release') {
    terminal.out(
      'If its earlier session still reports it before somebody else has taken it, that report counts.',
    )
  }
  return 0
}

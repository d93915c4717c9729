import { requireWriter } from '../backlog/access.ts'
import type { Backlog } from '../backlog/backlog.ts'
import { ACTIVE_JOB } from '../backlog/dispatch-job.ts'
import { NOW } from '../db/sql.ts'
import { DaemonError, notFound } from '../errors.ts'
import { NOTIFY_ENQUEUED, NOTIFY_STATUS } from '../jobs/notifications.ts'
import type { ControlContext } from './context.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'

// What a person may do to a job, and from which state:
//   cancel   QUEUED, CLAIMED, RUNNING   → CANCELLED   whoever holds it learns of it and stops
//   release  CLAIMED, RUNNING           → QUEUED      held here, or its lease is over, or it has none
//   requeue  FAILED, CANCELLED, SKIPPED → QUEUED      a fresh start: attempts count from 0 again
// Each write names the state it starts from and notifies in the same statement, so that a change in
// between makes it a no-op, never a surprise.

const NO_CLAIM = `claimed_by_token_id = null, worker_instance_id = null, claimed_at = null, lease_until = null,
  started_at = null, plan_snapshot = null, branch = null, base_sha = null, updated_at = ${NOW}`

export const jobCancelMethod: ControlMethod = {
  name: 'job-cancel',
  async call(params, context) {
    const { backlog, id } = await begin(params, context)
    const { rowCount } = await context.sql.query({
      name: 'operator-cancel',
      text: `
with c as (
  update claude_jobs set status = 'CANCELLED', finished_at = ${NOW}, updated_at = ${NOW}
   where id = $1 and user_id = $2 and status in ('QUEUED', 'CLAIMED', 'RUNNING')
  returning *
) select ${NOTIFY_STATUS} as notified from c`,
      values: [id, backlog.caller.userId],
    })
    if (rowCount === 1) return { job_id: id, status: 'cancelled' }
    const job = await find(backlog, id)
    if (job.status === 'CANCELLED') return { job_id: id, status: 'cancelled' }
    throw new DaemonError('JOB_TERMINAL', `Job ${id} has ended as ${job.status}`, 'Nothing was changed.')
  },
}

export const jobReleaseMethod: ControlMethod = {
  name: 'job-release',
  async call(params, context) {
    const { backlog, id } = await begin(params, context)
    const job = await find(backlog, id)
    if (job.status === 'QUEUED') return { job_id: id, status: 'queued' }
    if (job.status !== 'CLAIMED' && job.status !== 'RUNNING') {
      throw new DaemonError(
        'JOB_TERMINAL',
        `Job ${id} has ended as ${job.status}`,
        job.status === 'DONE'
          ? 'Nothing was changed; `scrum4me-daemon enqueue <task>` queues its task again.'
          : `Nothing was changed; \`scrum4me-daemon jobs requeue ${id}\` starts it afresh.`,
      )
    }
    if (await context.jobs.release(id)) return { job_id: id, status: 'queued' }
    // Decided by the database's clock: a live lease means that another machine works on it.
    const { rowCount } = await context.sql.query({
      name: 'operator-release',
      text: `
with c as (
  update claude_jobs set status = 'QUEUED', ${NO_CLAIM}
   where id = $1 and user_id = $2 and status in ('CLAIMED', 'RUNNING')
     and (lease_until is null or lease_until < ${NOW})
  returning *
) select ${NOTIFY_STATUS} as notified, ${NOTIFY_ENQUEUED} as nudged from c`,
      values: [id, backlog.caller.userId],
    })
    if (rowCount === 1) return { job_id: id, status: 'queued' }
    throw new DaemonError(
      'CONFLICT',
      `Job ${id} is held by another machine, whose lease is live`,
      'Release it there, wait for its lease to end, or cancel the job; nothing was changed.',
    )
  },
}

export const jobRequeueMethod: ControlMethod = {
  name: 'job-requeue',
  async call(params, context) {
    const { backlog, id } = await begin(params, context)
    const job = await find(backlog, id)
    if (job.status === 'QUEUED') return { job_id: id, status: 'queued' }
    if (job.status !== 'FAILED' && job.status !== 'CANCELLED' && job.status !== 'SKIPPED') {
      const hint = job.status === 'DONE' ? 'Queue its task again' : 'Release or cancel it first'
      throw new DaemonError(
        'CONFLICT',
        `Job ${id} is ${job.status}; only a failed, cancelled or skipped job can be queued again`,
        `${hint}; nothing was changed.`,
      )
    }
    await backlog.prisma.$transaction(async (tx) => {
      if (job.task_id !== null) await refuseSecond(tx, job.task_id)
      await tx.$executeRawUnsafe(
        `
with c as (
  update claude_jobs
     set status = 'QUEUED', ${NO_CLAIM}, retry_count = 0, finished_at = null, pushed_at = null,
         head_sha = null, verify_result = null, summary = null, error = null
   where id = $1 and status::text = $2
  returning *
) select ${NOTIFY_STATUS} as notified, ${NOTIFY_ENQUEUED} as nudged from c`,
        id,
        job.status,
      )
    })
    return { job_id: id, status: 'queued' }
  },
}

async function begin(params: unknown, context: ControlContext): Promise<{ backlog: Backlog; id: string }> {
  const id = new Params(params).text('job_id', 200)
  const backlog = await context.backlog()
  requireWriter(backlog.caller)
  return { backlog, id }
}

async function find({ prisma, caller }: Backlog, id: string) {
  const job = await prisma.claudeJob.findFirst({
    where: { id, user_id: caller.userId },
    select: { id: true, status: true, task_id: true },
  })
  if (job === null) throw notFound('Job', id)
  return job
}

/** One task has one active job at a time; its row is what concurrent requests wait on. */
async function refuseSecond(
  tx: Pick<Backlog['prisma'], '$executeRaw' | 'claudeJob'>,
  taskId: string,
): Promise<void> {
  await tx.$executeRaw`select 1 from tasks where id = ${taskId} for no key update`
  const other = await tx.claudeJob.findFirst({
    where: { task_id: taskId, status: { in: [...ACTIVE_JOB] } },
    select: { id: true },
  })
  if (other === null) return
  throw new DaemonError(
    'CONFLICT',
    `The task of this job already has the active job ${other.id}`,
    'Nothing was changed; wait for that job or cancel it.',
  )
}

import type { Backlog } from '../backlog/backlog.ts'
import { DaemonError, notFound } from '../errors.ts'
import { ACTIVE_STATUSES } from '../jobs/queue-job.ts'
import type { ControlContext } from './context.ts'
import type { ControlMethod } from './control-method.ts'
import { Params } from './params.ts'
import { refuseDemo } from './refuse-demo.ts'

// What a person may do to a job, and from which state:
//   cancel   QUEUED, CLAIMED, RUNNING   → CANCELLED   whoever holds it learns of it and stops
//   release  CLAIMED, RUNNING           → QUEUED      held here, or its lease is over
//   requeue  FAILED, CANCELLED, SKIPPED → QUEUED      a fresh start: attempts count from 0 again
// Each write names the state it starts from, so that a change in between makes it a no-op, never a surprise.

const CLEARED_CLAIM = {
  claimed_by_token_id: null,
  worker_instance_id: null,
  claimed_at: null,
  lease_until: null,
  started_at: null,
}

export const jobCancelMethod: ControlMethod = {
  name: 'job-cancel',
  async call(params, context) {
    const { backlog, id } = await begin(params, context)
    const changed = await change(backlog, id, 'cancelled', () =>
      backlog.prisma.claudeJob.updateMany({
        where: { id, user_id: backlog.caller.userId, status: { in: [...ACTIVE_STATUSES] } },
        data: { status: 'CANCELLED', finished_at: new Date() },
      }),
    )
    if (changed) return { job_id: id, status: 'cancelled' }
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
    if (await context.jobs.release(id)) return { job_id: id, status: 'queued' }
    if (job.status === 'QUEUED') return { job_id: id, status: 'queued' }
    if (job.status !== 'CLAIMED' && job.status !== 'RUNNING') {
      throw new DaemonError(
        'JOB_TERMINAL',
        `Job ${id} has ended as ${job.status}`,
        'Nothing was changed; `scrum4me-daemon jobs requeue` starts it afresh.',
      )
    }
    // Decided by the database's clock: a live lease means that another machine works on it.
    const released = await backlog.prisma.$executeRaw`
      update claude_jobs
         set status = 'QUEUED', claimed_by_token_id = null, worker_instance_id = null, claimed_at = null,
             lease_until = null, started_at = null, updated_at = now() at time zone 'utc'
       where id = ${id} and user_id = ${backlog.caller.userId} and status in ('CLAIMED', 'RUNNING')
         and (lease_until is null or lease_until < now() at time zone 'utc')`
    if (released === 0) {
      throw new DaemonError(
        'CONFLICT',
        `Job ${id} is held by another machine, whose lease is live`,
        'Release it there, wait for its lease to end, or cancel the job; nothing was changed.',
      )
    }
    await announceQueued(backlog, job)
    return { job_id: id, status: 'queued' }
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
      await tx.claudeJob.updateMany({
        where: { id, status: job.status },
        data: {
          ...CLEARED_CLAIM,
          status: 'QUEUED',
          retry_count: 0,
          finished_at: null,
          pushed_at: null,
          branch: null,
          base_sha: null,
          head_sha: null,
          verify_result: null,
          summary: null,
          error: null,
        },
      })
    })
    await announceQueued(backlog, job)
    return { job_id: id, status: 'queued' }
  },
}

async function begin(params: unknown, context: ControlContext): Promise<{ backlog: Backlog; id: string }> {
  const id = new Params(params).text('job_id', 200)
  const backlog = await context.backlog()
  refuseDemo(backlog)
  return { backlog, id }
}

async function find({ prisma, caller }: Backlog, id: string) {
  const job = await prisma.claudeJob.findFirst({
    where: { id, user_id: caller.userId },
    select: { id: true, status: true, product_id: true, task_id: true },
  })
  if (job === null) throw notFound('Job', id)
  return job
}

/** One task has one active job at a time; its row is what concurrent requests wait on. */
async function refuseSecond(
  tx: Pick<Backlog['prisma'], '$queryRaw' | 'claudeJob'>,
  taskId: string,
): Promise<void> {
  await tx.$queryRaw`select id from tasks where id = ${taskId} for update`
  const other = await tx.claudeJob.findFirst({
    where: { task_id: taskId, status: { in: [...ACTIVE_STATUSES] } },
    select: { id: true },
  })
  if (other === null) return
  throw new DaemonError(
    'CONFLICT',
    `The task of this job already has the active job ${other.id}`,
    'Nothing was changed; wait for that job or cancel it.',
  )
}

async function change(
  backlog: Backlog,
  id: string,
  status: string,
  update: () => Promise<{ count: number }>,
): Promise<boolean> {
  const { count } = await update()
  if (count === 0) return false
  const job = await find(backlog, id)
  await notify(backlog, {
    type: 'claude_job_status',
    job_id: id,
    task_id: job.task_id,
    user_id: backlog.caller.userId,
    product_id: job.product_id,
    status,
  })
  return true
}

function announceQueued(
  backlog: Backlog,
  job: { readonly id: string; readonly product_id: string },
): Promise<void> {
  return notify(backlog, {
    type: 'claude_job_enqueued',
    user_id: backlog.caller.userId,
    product_id: job.product_id,
    job_id: job.id,
  })
}

async function notify({ prisma }: Backlog, payload: Record<string, unknown>): Promise<void> {
  await prisma.$executeRaw`select pg_notify('scrum4me_changes', ${JSON.stringify(payload)})`
}

import { DaemonError, notFound } from '../errors.ts'
import { requireTask, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { databaseTime } from './database-time.ts'
import { notify } from './notify.ts'

/** A job in one of these is still somebody's to do. */
export const ACTIVE_JOB = ['QUEUED', 'CLAIMED', 'RUNNING'] as const

/**
 * Queues a job for the task in the caller's name and notifies the daemons; CONFLICT if the task has
 * an active one. The task's row is locked so that two dispatches of one task cannot both succeed,
 * and the database's clock dates the job: the queue is served by `created_at`.
 */
export async function dispatchJob(backlog: Backlog, taskId: string): Promise<{ jobId: string }> {
  const { prisma, caller } = backlog
  requireWriter(caller)
  const { productId } = await requireTask(backlog, taskId)
  return prisma.$transaction(async (tx) => {
    await tx.$executeRaw`set local lock_timeout = '5s'`
    const locked = await tx.$executeRaw`select 1 from tasks where id = ${taskId} for no key update`
    if (locked === 0) throw notFound('Task', taskId)
    const active = await tx.claudeJob.findFirst({
      where: { task_id: taskId, status: { in: [...ACTIVE_JOB] } },
      select: { id: true, user_id: true },
    })
    if (active !== null) throw alreadyActive(active.user_id === caller.userId ? active.id : undefined)
    const now = await databaseTime(tx)
    const job = await tx.claudeJob.create({
      data: {
        user_id: caller.userId,
        product_id: productId,
        task_id: taskId,
        created_at: now,
        updated_at: now,
      },
      select: { id: true },
    })
    await notify(tx, {
      type: 'claude_job_enqueued',
      user_id: caller.userId,
      product_id: productId,
      job_id: job.id,
    })
    return { jobId: job.id }
  })
}

/** Names the job only to the user whose job it is. */
function alreadyActive(ownJobId: string | undefined): DaemonError {
  return new DaemonError(
    'CONFLICT',
    `the task already has an active job${ownJobId === undefined ? '' : ` (${ownJobId})`}`,
    'No second job was queued; wait for that one to end.',
  )
}

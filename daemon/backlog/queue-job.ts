import { DaemonError } from '../errors.ts'
import type { Backlog } from './backlog.ts'

export const ACTIVE_STATUSES = ['QUEUED', 'CLAIMED', 'RUNNING'] as const

/**
 * Queues a job for a task and wakes the daemons of its user (contract 4), in one transaction.
 * CONFLICT when the task already has an active job. The caller has checked access to the task.
 */
export async function queueJob(
  { prisma, caller }: Backlog,
  task: { readonly id: string; readonly product_id: string },
): Promise<string> {
  return prisma.$transaction(async (tx) => {
    await refuseActiveJob(tx, task.id)
    const job = await tx.claudeJob.create({
      data: { user_id: caller.userId, product_id: task.product_id, task_id: task.id },
      select: { id: true },
    })
    const payload = JSON.stringify({
      type: 'claude_job_enqueued',
      user_id: caller.userId,
      product_id: task.product_id,
      job_id: job.id,
    })
    await tx.$executeRaw`select pg_notify('scrum4me_changes', ${payload})`
    return job.id
  })
}

/** CONFLICT when the task has an active job; until the transaction ends nobody else passes here for it. */
export async function refuseActiveJob(
  tx: Pick<Backlog['prisma'], '$queryRaw' | 'claudeJob'>,
  taskId: string,
): Promise<void> {
  // The task's row is what concurrent requests wait on; only then is the look at its jobs true.
  await tx.$queryRaw`select id from tasks where id = ${taskId} for update`
  const active = await tx.claudeJob.findFirst({
    where: { task_id: taskId, status: { in: [...ACTIVE_STATUSES] } },
    select: { id: true, status: true },
  })
  if (active === null) return
  throw new DaemonError(
    'CONFLICT',
    `Task ${taskId} already has the job ${active.id} (${active.status})`,
    'Nothing was queued; wait for that job or cancel it.',
  )
}

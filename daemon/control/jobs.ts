import { ACTIVE_JOB } from '../backlog/dispatch-job.ts'
import type { ControlMethod } from './control-method.ts'
import { titleOf } from './task-titles.ts'

const MAX_LISTED = 200
const RECENT = 10

/** Active jobs of the token's user, oldest first, and the last few that ended. */
export const jobsMethod: ControlMethod = {
  name: 'jobs',
  async call(_params, context) {
    const { prisma, caller } = await context.backlog()
    const include = {
      task: { select: { code: true, title: true } },
      product: { select: { name: true } },
    }
    const active = await prisma.claudeJob.findMany({
      where: { user_id: caller.userId, status: { in: [...ACTIVE_JOB] } },
      orderBy: [{ created_at: 'asc' }, { id: 'asc' }],
      take: MAX_LISTED,
      include,
    })
    const ended = await prisma.claudeJob.findMany({
      where: { user_id: caller.userId, status: { notIn: [...ACTIVE_JOB] } },
      orderBy: [{ updated_at: 'desc' }, { id: 'asc' }],
      take: RECENT,
      include,
    })
    const held = new Set(context.jobs.held())
    return {
      jobs: [...active, ...ended].map((job) => ({
        job_id: job.id,
        status: job.status.toLowerCase(),
        held_here: held.has(job.id),
        product_id: job.product_id,
        product: job.product.name,
        task_id: job.task_id,
        task: job.task === null ? null : titleOf(job.task),
        worker_instance_id: job.worker_instance_id,
        branch: job.branch,
        retry_count: job.retry_count,
        error: job.error,
        created_at: job.created_at.toISOString(),
        claimed_at: job.claimed_at?.toISOString() ?? null,
        finished_at: job.finished_at?.toISOString() ?? null,
      })),
    }
  },
}

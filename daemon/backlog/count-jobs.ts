import { requireProduct } from './access.ts'
import type { Backlog } from './backlog.ts'
import { ACTIVE_JOB } from './dispatch-job.ts'

/** The caller's active jobs by product id; with `productId` of that product alone. */
export async function countJobs(backlog: Backlog, productId?: string): Promise<Map<string, number>> {
  const { prisma, caller } = backlog
  if (productId !== undefined) await requireProduct(backlog, productId)
  const groups = await prisma.claudeJob.groupBy({
    by: ['product_id'],
    where: {
      user_id: caller.userId,
      status: { in: [...ACTIVE_JOB] },
      ...(productId === undefined ? {} : { product_id: productId }),
    },
    _count: { _all: true },
  })
  return new Map(groups.map((group) => [group.product_id, group._count._all]))
}

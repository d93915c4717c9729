import { visibleTo } from './access.ts'
import type { Backlog } from './backlog.ts'

/** Products the caller owns or is a member of, without archived ones, newest first. */
export function listProducts({ prisma, caller }: Backlog) {
  return prisma.product.findMany({
    where: { archived: false, ...visibleTo(caller) },
    orderBy: [{ created_at: 'desc' }, { id: 'desc' }],
    select: {
      id: true,
      code: true,
      name: true,
      description: true,
      repo_url: true,
      definition_of_done: true,
    },
  })
}

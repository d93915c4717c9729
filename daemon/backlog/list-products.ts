import { visibleTo } from './access.ts'
import type { Backlog } from './backlog.ts'

/** Products the caller owns or is a member of, without archived ones, newest first; and how many there are in all. */
export async function listProducts({ prisma, caller }: Backlog, limit: number) {
  const where = { archived: false, ...visibleTo(caller) }
  const products = await prisma.product.findMany({
    where,
    orderBy: [{ created_at: 'desc' }, { id: 'desc' }],
    take: limit,
    select: {
      id: true,
      code: true,
      name: true,
      description: true,
      repo_url: true,
      definition_of_done: true,
    },
  })
  const total = products.length < limit ? products.length : await prisma.product.count({ where })
  return { products, total }
}

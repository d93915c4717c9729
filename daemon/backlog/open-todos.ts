import type { Backlog } from './backlog.ts'

/** The caller's own open todos of the product or of none, oldest first. */
export function openTodos({ prisma, caller }: Backlog, productId: string) {
  return prisma.todo.findMany({
    where: {
      user_id: caller.userId,
      done: false,
      archived: false,
      OR: [{ product_id: productId }, { product_id: null }],
    },
    orderBy: [{ created_at: 'asc' }, { id: 'asc' }],
    select: { id: true, title: true, description: true, created_at: true },
  })
}

import type { Backlog } from './backlog.ts'

/** The caller's own open todos of the product or of none, oldest first; and how many there are in all. */
export async function openTodos({ prisma, caller }: Backlog, productId: string, limit: number) {
  const where = {
    user_id: caller.userId,
    done: false,
    archived: false,
    OR: [{ product_id: productId }, { product_id: null }],
  }
  const todos = await prisma.todo.findMany({
    where,
    orderBy: [{ created_at: 'asc' }, { id: 'asc' }],
    take: limit,
    select: { id: true, title: true, description: true, created_at: true },
  })
  return { todos, total: todos.length < limit ? todos.length : await prisma.todo.count({ where }) }
}

import { requireProduct, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'

export interface NewTodo {
  readonly title: string
  readonly description: string | undefined
  readonly productId: string | undefined
}

/** A reminder of the caller's own, with or without a product. */
export async function createTodo(backlog: Backlog, todo: NewTodo) {
  requireWriter(backlog.caller)
  if (todo.productId !== undefined) await requireProduct(backlog, todo.productId)
  return backlog.prisma.todo.create({
    data: {
      user_id: backlog.caller.userId,
      product_id: todo.productId ?? null,
      title: todo.title,
      description: todo.description ?? null,
    },
    select: { id: true, title: true, description: true, created_at: true },
  })
}

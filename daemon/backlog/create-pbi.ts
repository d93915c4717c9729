import { requireProduct, requireWriter } from './access.ts'
import { append } from './append.ts'
import type { Backlog } from './backlog.ts'
import { nextPbi } from './next-place.ts'

export interface NewPbi {
  readonly productId: string
  readonly title: string
  readonly description: string | undefined
  readonly priority: number
}

/** Adds a PBI `PBI-n` after the product's other PBIs. */
export async function createPbi(backlog: Backlog, pbi: NewPbi) {
  requireWriter(backlog.caller)
  const productId = await requireProduct(backlog, pbi.productId)
  return append(
    backlog.prisma,
    productId,
    (tx) => nextPbi(tx, productId),
    (tx, place) =>
      tx.pbi.create({
        data: {
          product_id: productId,
          code: `PBI-${place.number}`,
          title: pbi.title,
          description: pbi.description ?? null,
          priority: pbi.priority,
          sort_order: place.sortOrder,
          created_at: place.now,
          updated_at: place.now,
        },
        select: {
          id: true,
          code: true,
          title: true,
          description: true,
          priority: true,
          sort_order: true,
          created_at: true,
        },
      }),
  )
}

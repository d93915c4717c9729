import type { Caller } from '../backend/caller.ts'
import type { Prisma } from '../db/generated/client.ts'
import { DaemonError, notFound } from '../errors.ts'
import type { Backlog } from './backlog.ts'

/**
 * The only place that decides who may see and change what. A product belongs to its owner and to
 * those with a `product_members` row; everything below a product resolves to it; todos and jobs are
 * their user's alone. Demo users read only. Missing and not accessible are one query and one answer,
 * so neither words nor timing tell them apart.
 */
export function visibleTo(caller: Caller): Prisma.ProductWhereInput {
  return { OR: [{ user_id: caller.userId }, { members: { some: { user_id: caller.userId } } }] }
}

/** Throws PERMISSION_DENIED for a demo user; call it before anything is written. */
export function requireWriter(caller: Caller): void {
  if (!caller.isDemo) return
  throw new DaemonError(
    'PERMISSION_DENIED',
    'demo users may read but not change anything',
    'Nothing was changed; use the API token of an ordinary user.',
  )
}

export async function requireProduct({ prisma, caller }: Backlog, id: string): Promise<string> {
  const row = storable(id)
    ? await prisma.product.findFirst({ where: { id, ...visibleTo(caller) }, select: { id: true } })
    : null
  if (row === null) throw notFound('Product', id)
  return row.id
}

export async function requirePbi({ prisma, caller }: Backlog, id: string): Promise<{ productId: string }> {
  const row = storable(id)
    ? await prisma.pbi.findFirst({
        where: { id, product: visibleTo(caller) },
        select: { product_id: true },
      })
    : null
  if (row === null) throw notFound('PBI', id)
  return { productId: row.product_id }
}

export async function requireStory({ prisma, caller }: Backlog, id: string): Promise<{ productId: string }> {
  const row = storable(id)
    ? await prisma.story.findFirst({
        where: { id, product: visibleTo(caller) },
        select: { product_id: true },
      })
    : null
  if (row === null) throw notFound('Story', id)
  return { productId: row.product_id }
}

export async function requireTask(
  { prisma, caller }: Backlog,
  id: string,
): Promise<{ productId: string; storyId: string }> {
  const row = storable(id)
    ? await prisma.task.findFirst({
        where: { id, product: visibleTo(caller) },
        select: { product_id: true, story_id: true },
      })
    : null
  if (row === null) throw notFound('Task', id)
  return { productId: row.product_id, storyId: row.story_id }
}

/** A question is visible to those who see its product: whoever of them asked it. */
export async function requireQuestion({ prisma, caller }: Backlog, id: string): Promise<{ askedBy: string }> {
  const row = storable(id)
    ? await prisma.claudeQuestion.findFirst({
        where: { id, product: visibleTo(caller) },
        select: { asked_by: true },
      })
    : null
  if (row === null) throw notFound('Question', id)
  return { askedBy: row.asked_by }
}

/** PostgreSQL refuses a NUL in a parameter, so no row has such an id. */
export function storable(id: string): boolean {
  return !id.includes('\u0000')
}

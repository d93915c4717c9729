import { requirePbi, requireWriter } from './access.ts'
import { append } from './append.ts'
import type { Backlog } from './backlog.ts'
import { nextStory } from './next-place.ts'

export interface NewStory {
  readonly pbiId: string
  readonly title: string
  readonly description: string | undefined
  readonly acceptanceCriteria: string | undefined
  readonly priority: number
}

/** Adds a story `ST-nnn`, status OPEN, after the PBI's other stories. */
export async function createStory(backlog: Backlog, story: NewStory) {
  requireWriter(backlog.caller)
  const { productId } = await requirePbi(backlog, story.pbiId)
  return append(
    backlog.prisma,
    productId,
    (tx) => nextStory(tx, productId, story.pbiId),
    (tx, place) =>
      tx.story.create({
        data: {
          product_id: productId,
          pbi_id: story.pbiId,
          code: `ST-${String(place.number).padStart(3, '0')}`,
          title: story.title,
          description: story.description ?? null,
          acceptance_criteria: story.acceptanceCriteria ?? null,
          priority: story.priority,
          sort_order: place.sortOrder,
          created_at: place.now,
          updated_at: place.now,
        },
        select: {
          id: true,
          code: true,
          title: true,
          description: true,
          acceptance_criteria: true,
          priority: true,
          sort_order: true,
          created_at: true,
        },
      }),
  )
}

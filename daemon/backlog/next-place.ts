import { z } from 'zod'
import type { Prisma } from '../db/generated/client.ts'
import type { Place } from './append.ts'
import { rowOf } from './rows.ts'

type Transaction = Prisma.TransactionClient

const schema = z.object({ number: z.number(), sort_order: z.number(), now: z.date() })

// Codes that people typed freely (`PBI-old`) do not count. The clock is read in a statement after
// the lock: of two creates the later one has the later time.

export async function nextPbi(tx: Transaction, productId: string): Promise<Place> {
  return place(
    await tx.$queryRaw`
      select coalesce(max(substring(code from '^PBI-([0-9]{1,15})$')::float8), 0) + 1 as number,
             coalesce(max(sort_order), 0) + 1 as sort_order,
             clock_timestamp() at time zone 'utc' as now
      from pbis where product_id = ${productId}`,
  )
}

export async function nextStory(tx: Transaction, productId: string, pbiId: string): Promise<Place> {
  return place(
    await tx.$queryRaw`
      select coalesce(max(substring(code from '^ST-([0-9]{1,15})$')::float8), 0) + 1 as number,
             coalesce((select max(sort_order) from stories where pbi_id = ${pbiId}), 0) + 1 as sort_order,
             clock_timestamp() at time zone 'utc' as now
      from stories where product_id = ${productId}`,
  )
}

export async function nextTask(tx: Transaction, productId: string, storyId: string): Promise<Place> {
  return place(
    await tx.$queryRaw`
      select coalesce(max(substring(code from '^T-([0-9]{1,15})$')::float8), 0) + 1 as number,
             coalesce((select max(sort_order) from tasks where story_id = ${storyId}), 0) + 1 as sort_order,
             clock_timestamp() at time zone 'utc' as now
      from tasks where product_id = ${productId}`,
  )
}

function place(rows: unknown): Place {
  const { number, sort_order, now } = rowOf(schema, rows)
  return { number, sortOrder: sort_order, now }
}

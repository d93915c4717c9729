import { z } from 'zod'
import type { Prisma } from '../db/generated/client.ts'
import { rowOf } from './rows.ts'

const schema = z.object({ now: z.date() })

/** The database's clock, which decides what has expired and who came first; a machine's may be wrong. */
export async function databaseTime(db: Prisma.TransactionClient): Promise<Date> {
  return rowOf(schema, await db.$queryRaw`select clock_timestamp() at time zone 'utc' as now`).now
}

import { z } from 'zod'
import type { PrismaClient } from '../db/generated/client.ts'
import { rowsOf } from './rows.ts'

const schema = z.object({ id: z.string() })

/** Which of these questions nobody needs to wait for any more: not open, expired, or gone. */
export async function settledQuestions(prisma: PrismaClient, ids: readonly string[]): Promise<string[]> {
  const rows = await prisma.$queryRaw`
    select w.id from unnest(${[...ids]}::text[]) as w(id)
    left join claude_questions q on q.id = w.id
    where q.id is null or q.status <> 'open' or q.expires_at <= now() at time zone 'utc'`
  return rowsOf(schema, rows).map((row) => row.id)
}

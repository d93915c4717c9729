import { z } from 'zod'
import type { Prisma } from '../db/generated/client.ts'
import { notFound } from '../errors.ts'
import { rowsOf } from './rows.ts'
import { statusToApi } from './status.ts'

const schema = z.object({ id: z.string(), status: z.string(), implementation_plan: z.string().nullable() })

export interface TaskState {
  readonly id: string
  /** As the API shows it. */
  readonly status: string
  readonly implementation_plan: string | null
}

/** Raw, because Prisma refuses to read a status it does not know. Access is the caller's to check. */
export async function readTask(db: Prisma.TransactionClient, id: string): Promise<TaskState> {
  const [row] = rowsOf(
    schema,
    await db.$queryRaw`select id, status::text, implementation_plan from tasks where id = ${id}`,
  )
  if (row === undefined) throw notFound('Task', id)
  return { ...row, status: statusToApi(row.status) }
}

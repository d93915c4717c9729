import { z } from 'zod'
import { DaemonError, notFound } from '../errors.ts'
import { requirePbi, requireWriter } from './access.ts'
import type { Backlog } from './backlog.ts'
import { rowsOf } from './rows.ts'

/** Links a pull request to the PBI; a merge recorded for an earlier one is forgotten. */
export async function setPullRequest(backlog: Backlog, pbiId: string, url: string): Promise<void> {
  requireWriter(backlog.caller)
  await requirePbi(backlog, pbiId)
  const { count } = await backlog.prisma.pbi.updateMany({
    where: { id: pbiId },
    data: { pr_url: url, pr_merged_at: null, updated_at: new Date() },
  })
  if (count === 0) throw notFound('PBI', pbiId)
}

const merged = z.object({ pr_url: z.string(), pr_merged_at: z.date() })

/** Records when the PBI's pull request was merged; asked again, the first time stands. */
export async function markMerged(backlog: Backlog, pbiId: string): Promise<z.output<typeof merged>> {
  requireWriter(backlog.caller)
  await requirePbi(backlog, pbiId)
  const [row] = rowsOf(
    merged,
    await backlog.prisma.$queryRaw`
      update pbis set pr_merged_at = coalesce(pr_merged_at, now() at time zone 'utc'),
        updated_at = now() at time zone 'utc'
      where id = ${pbiId} and pr_url is not null
      returning pr_url, pr_merged_at`,
  )
  if (row !== undefined) return row
  throw new DaemonError(
    'CONFLICT',
    'no pull request is linked to this PBI',
    'Nothing was changed; link one with set_pbi_pr first.',
  )
}

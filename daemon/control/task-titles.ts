import { inTime } from '../lifecycle/in-time.ts'
import type { ControlContext } from './context.ts'

/** Ids in one question. */
const MAX_ASKED = 1_000
const DEADLINE_MS = 2_000

/** `T-1 Title`, as people know a task. */
export function titleOf(task: { readonly code: string | null; readonly title: string }): string {
  return `${task.code} ${task.title}`
}

/**
 * `T-1 Title` of the jobs' tasks, by job id, as far as the database says in time: what is on the disk is shown also
 * while it is away.
 */
export async function taskTitles(
  context: ControlContext,
  jobIds: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const ids = [...new Set(jobIds)].slice(0, MAX_ASKED)
  if (ids.length === 0) return new Map()
  const titles = await inTime(askedFor(context, ids), DEADLINE_MS).catch(() => 'late' as const)
  return titles === 'late' ? new Map() : titles
}

async function askedFor(context: ControlContext, ids: readonly string[]): Promise<Map<string, string>> {
  const { prisma, caller } = await context.backlog()
  const jobs = await prisma.claudeJob.findMany({
    where: { id: { in: [...ids] }, user_id: caller.userId },
    select: { id: true, task: { select: { code: true, title: true } } },
  })
  return new Map(jobs.flatMap(({ id, task }) => (task === null ? [] : [[id, titleOf(task)]])))
}

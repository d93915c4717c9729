import { stopped } from '../lock/unless-aborted.ts'
import type { Engine } from './engine.ts'
import type { Base } from './git/base.ts'
import type { JobRecord } from './job-record.ts'
import type { Making } from './make.ts'
import { moveOn } from './move-on.ts'
import { prepare } from './prepare.ts'
import { preparedFiles } from './prepared-files.ts'

/** What is left to do in a worktree that stands at the commit which origin had the last time, once origin has answered. */
export async function settle(
  engine: Engine,
  making: Making,
  begun: JobRecord,
  { sha, fetched, warnings }: Base,
): Promise<JobRecord> {
  const hasNews = sha !== begun.baseSha
  // On the disk first: taking back what is half made must know where the branch may be.
  if (hasNews) await engine.records.put({ ...begun, movedTo: sha })
  const moved = hasNews ? await moveOn(engine, making, begun, sha) : []
  const prepared = await prepareIfAsked(engine, making)
  const record: JobRecord = {
    ...begun,
    phase: 'ready',
    baseSha: sha,
    baseFetched: fetched,
    warnings: [...new Set([...warnings, ...begun.warnings, ...moved]), ...prepared.warnings],
    prepared: prepared.files,
  }
  making.onMade(record)
  await engine.records.put(record)
  return record
}

async function prepareIfAsked(
  engine: Engine,
  { request, path, signal }: Making,
): Promise<{ warnings: readonly string[]; files: Record<string, string> }> {
  const plan = await request.prepare
  if (plan === undefined) return { warnings: [], files: {} }
  const { warnings, brought } = await prepare(engine, plan, request.repoRoot, path, signal)
  if (signal.aborted) throw stopped(signal)
  return { warnings, files: await preparedFiles(engine, brought, path) }
}

import { rename } from 'node:fs/promises'
import { codeOf } from '../errors.ts'
import type { Engine } from './engine.ts'
import { commitOf, deleteBranch } from './git/refs.ts'
import { listWorktrees, onClone, openRepository, type Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { checkJobId } from './layout.ts'
import { type Saved, save } from './save.ts'
import { processesIn } from './standing.ts'
import { undo, unregister } from './undo.ts'

export interface RemoveRequest {
  readonly jobId: string
  /** What happens to the branch that create made. `delete` saves its commits first. */
  readonly branch: 'keep' | 'delete'
  /** The branch the agent reported; never deleted. */
  readonly reportedBranch?: string | undefined
  /** Why it goes; for the record and the log. */
  readonly reason?: string | undefined
}

export interface RemoveOutcome {
  /**
   * `removed`: directory and registration are gone, the branch rule is applied. `deferred`: a process stands
   * in it; the engine removes it when the last one has left. `kept`: it could not be saved, so all of it is
   * still there. `none`: this job has no worktree here.
   */
  readonly outcome: 'removed' | 'deferred' | 'kept' | 'none'
  readonly salvageRef: string | null
  /** Files that git ignores: not saved. */
  readonly ignored: { readonly files: number; readonly bytes: number } | null
  readonly reason: string | null
  /** Bytes on disk that were or would be freed. */
  readonly bytes: number | null
  readonly path: string | null
}

/** Saves and removes a job's worktree. The caller has the job's turn. */
export async function remove(engine: Engine, request: RemoveRequest): Promise<RemoveOutcome> {
  const record = await engine.records.job(checkJobId(request.jobId))
  if (record === null) return NONE
  if (record.phase === 'creating') {
    await undo(engine, record)
    return NONE
  }
  const removal = {
    branch: request.branch,
    reportedBranch: request.reportedBranch,
    requestedAt: record.removal?.requestedAt ?? engine.now().toISOString(),
    reason: request.reason ?? 'the job ended',
  }
  return finishRemoval(engine, { ...record, removal })
}

const NONE: RemoveOutcome = {
  outcome: 'none',
  salvageRef: null,
  ignored: null,
  reason: null,
  bytes: null,
  path: null,
}

/** Carries a removal through, from wherever an earlier run left it. */
export async function finishRemoval(engine: Engine, asked: JobRecord): Promise<RemoveOutcome> {
  const path = engine.layout.shown(asked.path)
  let record = await backFromTrash(engine, asked)
  const standing = await processesIn(record.path, engine.childEnv)
  const bytes = await engine.disk.usedBytes(record.path, engine.stopping)
  const saved = await save(engine, record)
  const outcome = { salvageRef: saved.ref, ignored: saved.ignored, bytes, path }
  if (saved.keptBecause !== null) {
    await engine.records.put({ ...record, phase: 'ready', removal: null, keptReason: saved.keptBecause })
    return { ...outcome, outcome: 'kept', reason: saved.keptBecause }
  }
  if (standing.length > 0) {
    const reason = `${standing.map(({ name, pid }) => `${name} (${pid})`).join(', ')} still in it`
    await engine.records.put({ ...record, phase: 'ready', keptReason: reason })
    return { ...outcome, outcome: 'deferred', reason }
  }
  const repository = await openRepository(engine.git, record.repoRoot, engine.stopping)
  const place = await engine.trash.place(record.path)
  record = { ...record, phase: 'removing', trashPath: place }
  await engine.records.put(record)
  await engine.lock.run(repository.commonDir, engine.stopping, async () => {
    await rename(record.path, place).catch(unlessMissing)
    await unregister(engine, repository, record.path)
    await applyBranchRule(engine, repository, record, saved)
    await engine.records.forget(record.jobId)
  })
  void engine.trash.delete(place, engine.stopping)
  return { ...outcome, outcome: 'removed', reason: null }
}

/** A run that was cut off after the rename: back to its place, so that it is looked at again as a whole. */
async function backFromTrash(engine: Engine, record: JobRecord): Promise<JobRecord> {
  if (record.trashPath === null) return record
  await rename(record.trashPath, record.path).catch(unlessMissing)
  const back: JobRecord = { ...record, phase: 'ready', trashPath: null }
  await engine.records.put(back)
  return back
}

/** The job's branch goes if that was asked, its commits are safe, and nobody else has it checked out. */
async function applyBranchRule(
  engine: Engine,
  repository: Repository,
  record: JobRecord,
  saved: Saved,
): Promise<void> {
  const call = onClone(repository, engine.stopping)
  const tip = await commitOf(engine.git, call, `refs/heads/${record.branch}`)
  if (tip === null || record.removal?.reportedBranch === record.branch) return
  // Kept for another branch that the agent reported: an empty one of ours helps nobody.
  if (record.removal?.branch !== 'delete' && tip !== record.baseSha) return
  if (record.removal?.branch !== 'delete' && record.removal?.reportedBranch === undefined) return
  if (saved.branchTip !== tip) return
  const holders = await listWorktrees(engine.git, call)
  if (holders.some((worktree) => worktree.branch === record.branch)) return
  await deleteBranch(engine.git, call, record.branch, tip)
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

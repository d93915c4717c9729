import { rename } from 'node:fs/promises'
import { codeOf, messageOf } from '../errors.ts'
import { stopped } from '../lock/unless-aborted.ts'
import type { Engine } from './engine.ts'
import { deleteBranch } from './git/refs.ts'
import { unregister } from './git/registration.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import { healForRemoval } from './heal.ts'
import type { JobRecord } from './job-record.ts'
import { checkJobId } from './layout.ts'
import { type Saved, save } from './salvage/save.ts'
import { processesIn, whoStands } from './standing.ts'
import { undo } from './undo.ts'

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
  /** Deferred for a process that stands in it: it goes when that one has left. */
  readonly isOccupied: boolean
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

/** How often a worktree that changes under our hands is saved again before we wait. */
const ATTEMPTS = 3

const NONE: RemoveOutcome = {
  outcome: 'none',
  salvageRef: null,
  ignored: null,
  reason: null,
  bytes: null,
  path: null,
  isOccupied: false,
}

/**
 * Carries a removal through, from wherever an earlier run left it. Throws only when the engine stops: a clone that
 * cannot be used now (moved, unreadable) is a reason to keep its worktree and to try again later.
 */
export async function finishRemoval(engine: Engine, asked: JobRecord): Promise<RemoveOutcome> {
  let soFar: RemoveOutcome = { ...NONE, path: engine.layout.shown(asked.path) }
  const onSaved = (outcome: RemoveOutcome) => {
    soFar = outcome
  }
  try {
    return await carryThrough(engine, asked, onSaved)
  } catch (error) {
    if (engine.stopping.aborted) throw stopped(engine.stopping)
    const record = (await engine.records.job(asked.jobId)) ?? asked
    const isGoing = record.phase === 'removing' || record.phase === 'saved'
    const reason = messageOf(error)
    await engine.records.put({ ...record, removal: isGoing ? asked.removal : null, keptReason: reason })
    return { ...soFar, outcome: isGoing ? 'deferred' : 'kept', reason }
  }
}

async function carryThrough(
  engine: Engine,
  asked: JobRecord,
  onSaved: (outcome: RemoveOutcome) => void,
): Promise<RemoveOutcome> {
  const path = engine.layout.shown(asked.path)
  const open = () => engine.repositories.open(asked.repoRoot, engine.stopping)
  if (asked.phase === 'saved') {
    await finishSaved(engine, await open(), asked)
    return { ...NONE, outcome: 'removed', path }
  }
  const record = await backFromTrash(engine, asked)
  const away = await healForRemoval(engine, record)
  if (away !== null) {
    await engine.records.put({ ...record, keptReason: away })
    return { ...NONE, outcome: 'deferred', reason: away, path }
  }
  const repository = await open()
  const bytes = await engine.disk.usedBytes(record.path, engine.stopping)
  for (let attempt = 1; ; attempt += 1) {
    // May take minutes, so it comes before the looks that must still hold when the rename comes.
    await engine.trash.room()
    const saved = await save(engine, repository, record)
    const outcome = { ...NONE, salvageRef: saved.ref, ignored: saved.ignored, bytes, path }
    onSaved(outcome)
    if (saved.keptBecause !== null) {
      await engine.records.put({ ...record, removal: null, keptReason: saved.keptBecause })
      return { ...outcome, outcome: 'kept', reason: saved.keptBecause }
    }
    const busy = await whoIsIn(record, attempt)
    if (busy !== null) {
      await engine.records.put({ ...record, keptReason: busy.why })
      return { ...outcome, outcome: 'deferred', reason: busy.why, isOccupied: busy.isOccupied }
    }
    if (await takeAway(engine, repository, record, saved)) return { ...outcome, outcome: 'removed' }
  }
}

/** Why it cannot go now; null when it can. */
async function whoIsIn(
  record: JobRecord,
  attempt: number,
): Promise<{ readonly why: string; readonly isOccupied: boolean } | null> {
  const standing = await whoStands(record.path)
  if (standing !== null) return { why: standing, isOccupied: true }
  return attempt > ATTEMPTS ? { why: 'files in it still change', isOccupied: false } : null
}

/**
 * Renames the worktree away and ends its registration; false when something was written after it was saved, or
 * somebody came in (then it is back in its place).
 */
async function takeAway(
  engine: Engine,
  repository: Repository,
  ready: JobRecord,
  saved: Saved,
): Promise<boolean> {
  const place = await engine.trash.place(ready.path)
  const record: JobRecord = { ...ready, phase: 'removing', trashPath: place }
  await engine.records.put(record)
  await rename(record.path, place).catch(unlessMissing)
  // From here on nobody finds it by its path; what was written before the rename shows.
  const isFree = (await processesIn(place)).length === 0
  if (!isFree || !(await saved.isStillSo(place))) {
    await backFromTrash(engine, record)
    return false
  }
  const done: JobRecord = { ...record, phase: 'saved', savedTip: saved.branchTip }
  await engine.records.put(done)
  await finishSaved(engine, repository, done)
  return true
}

/** git's bookkeeping of a worktree whose files are saved and in the trash. */
async function finishSaved(engine: Engine, repository: Repository, record: JobRecord): Promise<void> {
  await engine.lock.run(repository.commonDir, engine.stopping, async () => {
    await unregister(repository, record.path)
    await applyBranchRule(engine, repository, record)
    await engine.records.forget(record.jobId)
  })
  if (record.trashPath !== null) void engine.trash.delete(record.trashPath, engine.stopping)
}

/** A run that was cut off between rename and check: back to its place, so that it is looked at again as a whole. */
async function backFromTrash(engine: Engine, record: JobRecord): Promise<JobRecord> {
  if (record.trashPath === null) return record
  await rename(record.trashPath, record.path).catch(unlessMissing)
  const back: JobRecord = { ...record, phase: 'ready', trashPath: null }
  await engine.records.put(back)
  return back
}

/**
 * The job's branch goes if that was asked, its commits are safe (it is where it was when they were saved), and nobody
 * else has it checked out.
 */
async function applyBranchRule(engine: Engine, repository: Repository, record: JobRecord): Promise<void> {
  const { branch, removal, savedTip } = record
  if (savedTip === null || removal?.reportedBranch === branch) return
  // Kept for another branch that the agent reported: an empty one of ours helps nobody.
  const isUnused = removal?.reportedBranch !== undefined && savedTip === record.baseSha
  if (removal?.branch !== 'delete' && !isUnused) return
  const holders = await listWorktrees(engine.git, onClone(repository, engine.stopping))
  if (holders.some((worktree) => worktree.branch === branch)) return
  await deleteBranch(engine.git, repository, branch, savedTip, engine.stopping)
}

function unlessMissing(error: unknown): void {
  if (codeOf(error) !== 'ENOENT') throw error
}

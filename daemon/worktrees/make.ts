import { stopped, unlessAborted } from '../lock/unless-aborted.ts'
import type { CreateRequest } from './create.ts'
import type { Engine } from './engine.ts'
import type { Finding } from './git/base.ts'
import { checkOut, type Move, moveTo } from './git/check-out.ts'
import { GitError } from './git/git-error.ts'
import { register } from './git/registration.ts'
import type { Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { markerText } from './marker.ts'
import { type ChosenBranch, chooseBranch, makeBranch } from './new-branch.ts'
import { prepare } from './prepare.ts'
import { preparedFiles } from './prepared-files.ts'
import { save } from './salvage/save.ts'
import type { Spares } from './spares.ts'

export interface Making {
  readonly jobId: string
  readonly repository: Repository
  readonly path: string
  /** Origin is being asked. */
  readonly finding: Finding
  readonly request: CreateRequest
  readonly signal: AbortSignal
  /** Told the record before it is written. */
  readonly onMade: (record: JobRecord) => void
}

/**
 * Makes branch, registration and files, or takes a spare; leaves a `creating` record when it fails. It begins with
 * the commit that origin had the last time, because mostly it still has; what is new is checked out on top.
 */
export async function make(engine: Engine, spares: Spares, making: Making): Promise<JobRecord> {
  const { jobId, repository, path, request, signal } = making
  const { sshAuthSock } = request
  // Shared with other jobs: an impatient caller leaves it instead of ending it.
  const base = unlessAborted(making.finding.base, signal)
  base.catch(() => undefined)
  const expected = await making.finding.expected
  // Now, while origin is asked.
  engine.lock.warm(repository.commonDir, signal)
  const start = expected ?? (await base).sha
  const spare = await spares.reserve(repository, start, { sshAuthSock, signal })
  let handedOver = false
  try {
    const planned = await engine.lock.run(repository.commonDir, signal, async () => {
      const chosen = await chooseBranch(engine, repository, jobId, signal)
      // Before git changes anything: whatever is half made after a crash is known by its record. The name was chosen
      // under the same hold of the lock, because taking the job back takes the branch.
      const record = await plan(engine, making, { start, fromSpare: spare !== null }, chosen)
      await makeBranch(engine, repository, chosen.branch, start, signal)
      const lockReason = markerText({ instanceId: engine.instanceId, kind: 'job', id: jobId })
      const wanted = { path, sha: start, branch: chosen.branch, lockReason }
      if (spare === null) await register(engine.git, repository, wanted, signal)
      else await spares.handOver(spare, wanted)
      handedOver = spare !== null
      return record
    })
    const options = { signal, sshAuthSock }
    const filled = handedOver ? [] : await checkOut(engine.git, repository, path, options)
    const { sha, fetched, warnings } = await base
    // On the disk first: taking back what is half made must know where the branch may be.
    if (sha !== start) await engine.records.put({ ...planned, movedTo: sha })
    const moved = sha === start ? [] : await moveOn(engine, making, planned, sha)
    const prepared = await prepareIfAsked(engine, request, path, signal)
    const record: JobRecord = {
      ...planned,
      phase: 'ready',
      baseSha: sha,
      baseFetched: fetched,
      warnings: [...warnings, ...planned.warnings, ...new Set([...filled, ...moved]), ...prepared.warnings],
      prepared: prepared.files,
    }
    making.onMade(record)
    await engine.records.put(record)
    spares.want(repository, sha)
    return record
  } catch (error) {
    if (spare !== null && !handedOver) await spares.giveBack(spare)
    throw error
  }
}

/** Brings the worktree to what origin has by now. */
async function moveOn(engine: Engine, making: Making, planned: JobRecord, to: string): Promise<string[]> {
  const { repository, path, request, signal } = making
  const move = (how: Move['how']) => {
    const between = { from: planned.baseSha ?? to, to, how }
    return moveTo(engine.git, repository, path, between, { signal, sshAuthSock: request.sshAuthSock })
  }
  if (planned.fromSpare !== true) return move('--hard')
  try {
    return await move('--keep')
  } catch (error) {
    if (!(error instanceof GitError) || error.why !== 'failed') throw error
    // Somebody worked in the spare, or a filter failed and left half of it: whatever it is, it is saved.
    const { keptBecause } = await save(engine, repository, planned)
    if (keptBecause !== null) throw new Error(keptBecause)
    return move('--hard')
  }
}

async function plan(
  engine: Engine,
  making: Making,
  { start, fromSpare }: { readonly start: string; readonly fromSpare: boolean },
  chosen: ChosenBranch,
): Promise<JobRecord> {
  const { jobId, repository, path, request } = making
  const createdAt = engine.now().toISOString()
  const { commonDir } = repository
  const { repoRoot } = request
  const planned: JobRecord = {
    jobId,
    phase: 'creating',
    repoRoot,
    commonDir,
    path,
    branch: chosen.branch,
    baseSha: start,
    baseFetched: false,
    fromSpare,
    warnings: [...chosen.warnings],
    sshAuthSock: request.sshAuthSock ?? null,
    createdAt,
    removal: null,
    keptReason: null,
    trashPath: null,
    savedTip: null,
  }
  await Promise.all([
    engine.records.put(planned),
    engine.records.rememberClone({ commonDir, repoRoot, lastJobAt: createdAt }),
  ])
  return planned
}

async function prepareIfAsked(
  engine: Engine,
  request: CreateRequest,
  path: string,
  signal: AbortSignal,
): Promise<{ warnings: readonly string[]; files: Record<string, string> }> {
  const plan = await request.prepare
  if (plan === undefined) return { warnings: [], files: {} }
  const { warnings, brought } = await prepare(engine, plan, request.repoRoot, path, signal)
  if (signal.aborted) throw stopped(signal)
  return { warnings, files: await preparedFiles(engine, brought, path) }
}

import { messageOf } from '../errors.ts'
import { stopped } from '../lock/unless-aborted.ts'
import { freeBytes } from './disk.ts'
import type { Engine } from './engine.ts'
import { GitError } from './git/git-error.ts'
import type { Repository } from './git/repository.ts'
import { refusal } from './git/safe-config.ts'
import { heal } from './heal.ts'
import type { JobRecord } from './job-record.ts'
import { checkJobId } from './layout.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { make } from './make.ts'
import type { PreparePlan } from './prepare.ts'
import { finishRemoval } from './remove.ts'
import type { Spares } from './spares.ts'
import { undo } from './undo.ts'
import { diskLow, fromGit, WorktreeError } from './worktree-error.ts'

/** Fewer free bytes than that: a file that could not be written did not fit. */
const NO_ROOM_BYTES = 1024 * 1024

export interface CreateRequest {
  readonly jobId: string
  /** Absolute path of the user's clone, or of anything inside it. */
  readonly repoRoot: string
  /** The session's ssh agent; without one the daemon's own. */
  readonly sshAuthSock?: string | null | undefined
  readonly signal?: AbortSignal | undefined
  /** What the user wants in it besides the repository's files. */
  readonly prepare?: PreparePlan | Promise<PreparePlan | undefined> | undefined
  /** Told what the answer will be as soon as that is certain; what is left is to note it on the disk. */
  readonly onMade?: ((made: Created) => void) | undefined
}

export interface Created {
  readonly path: string
  readonly branch: string
  readonly baseSha: string
  readonly baseFetched: boolean
  readonly warnings: readonly string[]
  /** True: this job had its worktree already, and this is it. */
  readonly reused: boolean
}

/** Gives a job its worktree. The caller has the job's turn. Errors: WORKTREE_FAILED, DISK_LOW, VALIDATION_ERROR. */
export async function create(engine: Engine, spares: Spares, request: CreateRequest): Promise<Created> {
  const jobId = checkJobId(request.jobId)
  const signal =
    request.signal === undefined ? engine.stopping : AbortSignal.any([engine.stopping, request.signal])
  try {
    return await reuseOrMake(engine, spares, { ...request, jobId }, signal)
  } catch (error) {
    // Before anything is taken back, which makes room.
    const isFull = await ranFull(engine, error)
    // Stopping leaves the record; the next start takes back what is half made.
    const half = await engine.records.job(jobId)
    if (half?.phase === 'creating' && !engine.stopping.aborted) {
      await undo(engine, half).catch((cause: unknown) => {
        // The record says what is left to take back; reconciliation tries again.
        engine.logger.warn(
          { job: jobId, err: messageOf(cause) },
          'a half-made worktree could not be taken back',
        )
      })
    }
    if (signal.aborted) throw stopped(signal)
    throw fromGit('making the worktree', error, isFull)
  }
}

async function reuseOrMake(
  engine: Engine,
  spares: Spares,
  request: CreateRequest,
  signal: AbortSignal,
): Promise<Created> {
  const { jobId } = request
  const since = performance.now()
  const known = await engine.records.job(jobId)
  if (known?.phase === 'ready' && (await heal(engine, known))) return reuse(engine, known, request)
  if (known?.phase === 'creating') await undo(engine, known)
  else if (known !== null) await clearAway(engine, known)

  // It is waited for the longest. Should the clone have moved, only its lock file is touched in vain.
  const commonDir = engine.repositories.lastCommonDir(request.repoRoot)
  if (commonDir !== undefined) engine.lock.warm(commonDir, signal)
  const [repository, path] = await Promise.all([
    openClone(engine, request.repoRoot, signal),
    freePath(engine, jobId).then((free) => checkDisk(engine).then(() => free)),
  ])
  const finding = engine.bases.find(repository, since, request.sshAuthSock, engine.stopping)
  const onMade = (record: JobRecord) => request.onMade?.(answer(engine, record, false))
  const record = await make(engine, spares, { jobId, repository, path, finding, request, signal, onMade })
  return answer(engine, record, false)
}

async function openClone(engine: Engine, repoRoot: string, signal: AbortSignal): Promise<Repository> {
  let repository: Repository
  try {
    repository = await engine.repositories.open(repoRoot, signal)
  } catch (error) {
    if (signal.aborted) throw stopped(signal)
    if (!(error instanceof GitError)) throw error
    throw new WorktreeError(
      `${repoRoot} cannot be used as a git repository: ${error.message}`,
      'Set the repo root of this product to a clone that the daemon may use.',
      { permanent: error.why === 'failed', cause: error },
    )
  }
  const unsafe = refusal(repository.config)
  if (unsafe === null) return repository
  throw new WorktreeError(
    `${repoRoot} is not safe to work in: ${unsafe}`,
    'Remove that setting from the clone, or put it into your own global configuration.',
    { permanent: true },
  )
}

/** Whether a file could not be written because there is no room for it. */
async function ranFull(engine: Engine, error: unknown): Promise<boolean> {
  if (!(error instanceof GitError && error.couldNotWrite)) return false
  return (await freeBytes(engine.layout.parent).catch(() => Number.POSITIVE_INFINITY)) < NO_ROOM_BYTES
}

async function freePath(engine: Engine, jobId: string): Promise<string> {
  await engine.layout.open()
  const path = await engine.layout.path(jobId)
  if ((await lstatOrNull(path)) === null) return path
  throw new WorktreeError(
    `${engine.layout.shown(path)} is there already and was not made for this job by this daemon`,
    'Move it away; nothing in it was touched.',
    { permanent: true },
  )
}

async function checkDisk(engine: Engine): Promise<void> {
  const free = await freeBytes(engine.layout.parent)
  if (free >= engine.minFreeDiskBytes) return
  throw diskLow(
    `Only ${free} bytes are free at ${engine.layout.parent}, below the floor of ${engine.minFreeDiskBytes}`,
  )
}

/** What is left of an earlier worktree whose files are gone, or that was on its way out: saved, then a new one is made. */
async function clearAway(engine: Engine, known: JobRecord): Promise<void> {
  const removal = known.removal ?? {
    branch: 'keep',
    requestedAt: engine.now().toISOString(),
    reason: 'its directory was gone when the job was claimed again',
  }
  const { outcome, reason } = await finishRemoval(engine, { ...known, removal })
  if (outcome === 'removed' || outcome === 'none') return
  throw new WorktreeError(
    `The earlier worktree of this job is in the way (${reason})`,
    'Ask again when that is over; `scrum4me-daemon worktrees` shows it.',
    { permanent: false },
  )
}

async function reuse(engine: Engine, record: JobRecord, { onMade }: CreateRequest): Promise<Created> {
  const answered = answer(engine, record, true)
  onMade?.(answered)
  // Claimed again while its removal waited for a process to leave, or after it could not be saved.
  if (record.removal !== null || record.keptReason !== null)
    await engine.records.put({ ...record, removal: null, keptReason: null })
  return answered
}

function answer(engine: Engine, record: JobRecord, reused: boolean): Created {
  return {
    path: engine.layout.shown(record.path),
    branch: record.branch,
    baseSha: record.baseSha ?? '',
    baseFetched: record.baseFetched,
    warnings: record.warnings,
    reused,
  }
}

import { createHash } from 'node:crypto'
import { stopped, unlessAborted } from '../lock/unless-aborted.ts'
import { freeBytes } from './disk.ts'
import type { Engine } from './engine.ts'
import type { Base } from './git/base.ts'
import { checkOut } from './git/check-out.ts'
import { GitError } from './git/git-error.ts'
import { createBranch } from './git/refs.ts'
import { register } from './git/registration.ts'
import { listWorktrees, onClone, openRepository, type Repository } from './git/repository.ts'
import { refusal } from './git/safe-config.ts'
import { heal } from './heal.ts'
import type { JobRecord } from './job-record.ts'
import { branchOf, checkJobId } from './layout.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { type PreparePlan, prepare } from './prepare.ts'
import { preparedFiles } from './prepared-files.ts'
import { finishRemoval } from './remove.ts'
import type { Spares } from './spares.ts'
import { undo } from './undo.ts'
import { diskLow, fromGit, WorktreeError } from './worktree-error.ts'

export interface CreateRequest {
  readonly jobId: string
  /** Absolute path of the user's clone, or of anything inside it. */
  readonly repoRoot: string
  /** The session's ssh agent; without one the daemon's own. */
  readonly sshAuthSock?: string | null | undefined
  readonly signal?: AbortSignal | undefined
  /** What the user wants in it besides the repository's files. */
  readonly prepare?: PreparePlan | undefined
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
  const known = await engine.records.job(jobId)
  if (known?.phase === 'ready' && (await heal(engine, known))) return reuse(engine, known)
  if (known?.phase === 'creating') await undo(engine, known)
  else if (known !== null) await clearAway(engine, known)

  const repository = await openClone(engine, request.repoRoot, signal)
  const path = await freePath(engine, jobId)
  await checkDisk(engine)
  const base = await sharedBase(engine, repository, request.sshAuthSock, signal)
  try {
    const record = await make(engine, spares, { jobId, repository, path, base, request, signal })
    return answer(engine, record, false)
  } catch (error) {
    // Stopping leaves the record; the next start takes back what is half made.
    const half = await engine.records.job(jobId)
    if (half?.phase === 'creating' && !engine.stopping.aborted) await undo(engine, half)
    if (signal.aborted) throw stopped(signal)
    throw fromGit('making the worktree', error)
  }
}

interface Making {
  readonly jobId: string
  readonly repository: Repository
  readonly path: string
  readonly base: Base
  readonly request: CreateRequest
  readonly signal: AbortSignal
}

async function make(engine: Engine, spares: Spares, making: Making): Promise<JobRecord> {
  const { jobId, repository, path, base, request, signal } = making
  const { sshAuthSock } = request
  const spare = await spares.reserve(repository, base.sha, signal)
  let handedOver = false
  try {
    const planned = await engine.lock.run(repository.commonDir, signal, async () => {
      const chosen = await chooseBranch(engine, repository, jobId, signal)
      // Before git changes anything: whatever is half made after a crash is known by its record.
      const record = await plan(engine, making, chosen)
      await makeBranch(engine, repository, chosen.branch, base.sha, signal)
      const lockReason = markerText({ instanceId: engine.instanceId, kind: 'job', id: jobId })
      const wanted = { path, sha: base.sha, branch: chosen.branch, lockReason }
      if (spare === null) await register(engine.git, repository, wanted, signal)
      else await spares.handOver(spare, wanted)
      handedOver = spare !== null
      return record
    })
    const warnings = handedOver ? [] : await checkOut(engine.git, repository, path, { signal, sshAuthSock })
    const prepared = await prepareIfAsked(engine, request, path, signal)
    const record: JobRecord = {
      ...planned,
      phase: 'ready',
      warnings: [...planned.warnings, ...warnings, ...prepared.warnings],
      prepared: prepared.files,
    }
    await engine.records.put(record)
    spares.want(repository, base.sha)
    return record
  } catch (error) {
    if (spare !== null && !handedOver) void spares.discard(spare)
    throw error
  }
}

async function plan(
  engine: Engine,
  making: Making,
  chosen: { readonly branch: string; readonly warnings: readonly string[] },
): Promise<JobRecord> {
  const { jobId, repository, path, base, request } = making
  const createdAt = engine.now().toISOString()
  const { commonDir } = repository
  const { repoRoot } = request
  await engine.records.rememberClone({ commonDir, repoRoot, lastJobAt: createdAt }, cloneKey(commonDir))
  const planned: JobRecord = {
    jobId,
    phase: 'creating',
    repoRoot,
    commonDir,
    path,
    branch: chosen.branch,
    baseSha: base.sha,
    baseFetched: base.fetched,
    warnings: [...base.warnings, ...chosen.warnings],
    sshAuthSock: request.sshAuthSock ?? null,
    createdAt,
    removal: null,
    keptReason: null,
    trashPath: null,
    savedTip: null,
  }
  await engine.records.put(planned)
  return planned
}

async function prepareIfAsked(
  engine: Engine,
  request: CreateRequest,
  path: string,
  signal: AbortSignal,
): Promise<{ warnings: readonly string[]; files: Record<string, string> }> {
  if (request.prepare === undefined) return { warnings: [], files: {} }
  const { warnings, brought } = await prepare(engine, request.prepare, request.repoRoot, path, signal)
  if (signal.aborted) throw stopped(signal)
  return { warnings, files: await preparedFiles(engine, brought, path) }
}

async function openClone(engine: Engine, repoRoot: string, signal: AbortSignal): Promise<Repository> {
  let repository: Repository
  try {
    repository = await openRepository(engine.git, repoRoot, signal)
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

/** The fetch is shared with other jobs, so an impatient caller leaves it instead of ending it. */
async function sharedBase(
  engine: Engine,
  repository: Repository,
  sshAuthSock: string | null | undefined,
  signal: AbortSignal,
): Promise<Base> {
  try {
    return await unlessAborted(engine.bases.find(repository, sshAuthSock, engine.stopping), signal)
  } catch (error) {
    if (signal.aborted) throw stopped(signal)
    throw fromGit('finding the base commit', error)
  }
}

/** A name that neither the clone nor origin (as last fetched) has: an existing branch is never reused. */
async function chooseBranch(
  engine: Engine,
  repository: Repository,
  jobId: string,
  signal: AbortSignal,
): Promise<{ branch: string; warnings: string[] }> {
  const wanted = branchOf(jobId)
  const call = onClone(repository, signal)
  const listed = await engine.git.text(
    call,
    'for-each-ref',
    '--format=%(refname)',
    `refs/heads/${wanted}*`,
    `refs/remotes/origin/${wanted}*`,
  )
  const taken = new Set(listed.split('\n').map((ref) => ref.replace(/^refs\/(heads|remotes\/origin)\//, '')))
  if (!taken.has(wanted)) return { branch: wanted, warnings: [] }
  const stamp = engine.now().toISOString().replace(/\D/g, '').slice(0, 14)
  let branch = `${wanted}-${stamp}`
  for (let count = 2; taken.has(branch); count += 1) branch = `${wanted}-${stamp}-${count}`
  const holder = (await listWorktrees(engine.git, call)).find((worktree) => worktree.branch === wanted)
  const where = holder === undefined ? '' : ` (checked out at ${holder.path})`
  return { branch, warnings: [`branch ${wanted} exists already${where}, so this job has ${branch}`] }
}

async function makeBranch(
  engine: Engine,
  repository: Repository,
  branch: string,
  sha: string,
  signal: AbortSignal,
): Promise<void> {
  try {
    if (await createBranch(engine.git, onClone(repository, signal), branch, sha, repository.zeroId)) return
  } catch (error) {
    const inTheWay =
      error instanceof GitError ? /'refs\/heads\/(.+)' exists; cannot create/.exec(error.stderr) : null
    if (inTheWay === null) throw error
    throw new WorktreeError(
      `The branch ${inTheWay[1]} is in the way of ${branch}`,
      `Rename it in ${repository.root}; git cannot have both.`,
      { permanent: true, cause: error },
    )
  }
  throw new WorktreeError(`The branch ${branch} appeared a moment ago`, 'Ask again.', { permanent: false })
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

async function reuse(engine: Engine, record: JobRecord): Promise<Created> {
  // Claimed again while its removal waited for a process to leave.
  if (record.removal !== null) await engine.records.put({ ...record, removal: null, keptReason: null })
  return answer(engine, record, true)
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

/** A file name for what is remembered of a clone. */
export function cloneKey(commonDir: string): string {
  return createHash('sha256').update(commonDir).digest('hex').slice(0, 32)
}

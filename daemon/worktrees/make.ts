import { stopped } from '../lock/unless-aborted.ts'
import type { CreateRequest } from './create.ts'
import type { Engine } from './engine.ts'
import type { Base } from './git/base.ts'
import { checkOut } from './git/check-out.ts'
import { register } from './git/registration.ts'
import type { Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { markerText } from './marker.ts'
import { chooseBranch, makeBranch } from './new-branch.ts'
import { prepare } from './prepare.ts'
import { preparedFiles } from './prepared-files.ts'
import type { Spares } from './spares.ts'

export interface Making {
  readonly jobId: string
  readonly repository: Repository
  readonly path: string
  readonly base: Base
  /** Names of branches like the job's. */
  readonly taken: Promise<ReadonlySet<string>>
  readonly request: CreateRequest
  readonly signal: AbortSignal
}

/** Makes branch, registration and files, or takes a spare; leaves a `creating` record when it fails. */
export async function make(engine: Engine, spares: Spares, making: Making): Promise<JobRecord> {
  const { jobId, repository, path, base, taken, request, signal } = making
  const { sshAuthSock } = request
  const spare = await spares.reserve(repository, base.sha, { sshAuthSock, signal })
  let handedOver = false
  try {
    const planned = await engine.lock.run(repository.commonDir, signal, async () => {
      const chosen = await chooseBranch(engine, repository, jobId, await taken, signal)
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
    if (spare !== null && !handedOver) await spares.giveBack(spare)
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
  await engine.records.rememberClone({ commonDir, repoRoot, lastJobAt: createdAt })
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

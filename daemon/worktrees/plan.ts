import type { Engine } from './engine.ts'
import type { JobRecord } from './job-record.ts'
import type { Making } from './make.ts'
import type { ChosenBranch } from './new-branch.ts'

/** Notes what is about to be made. The record is on the disk when this resolves. */
export async function plan(
  engine: Engine,
  { jobId, repository, path, request }: Making,
  { start, fromSpare }: { readonly start: string; readonly fromSpare: boolean },
  chosen: ChosenBranch,
): Promise<JobRecord> {
  const createdAt = engine.now().toISOString()
  const { commonDir } = repository
  const { repoRoot } = request
  const planned: JobRecord = {
    jobId,
    instanceId: engine.instanceId,
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

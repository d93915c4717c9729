import { unlessAborted } from '../lock/unless-aborted.ts'
import type { CreateRequest } from './create.ts'
import type { Engine } from './engine.ts'
import type { Finding } from './git/base.ts'
import { checkOut } from './git/check-out.ts'
import { register } from './git/registration.ts'
import type { Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { markerText } from './marker.ts'
import { chooseBranch, makeBranch } from './new-branch.ts'
import { plan } from './plan.ts'
import { settle } from './settle.ts'
import type { Reserved, Spares } from './spares.ts'

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
  const { repository, path, request, signal, finding } = making
  // Shared with other jobs: an impatient caller leaves it instead of ending it.
  const base = unlessAborted(finding.base, signal)
  base.catch(() => undefined)
  const expected = await finding.expected
  const start = expected ?? (await base).sha
  const options = { signal, sshAuthSock: request.sshAuthSock }
  const spare = await spares.reserve(repository, start, options)
  const planned = await begin(engine, spares, making, start, spare)
  const filled = spare === null ? await checkOut(engine.git, repository, path, options) : []
  const begun = { ...planned, warnings: [...planned.warnings, ...filled] }
  const found = await base
  const record = await settle(engine, making, begun, found)
  spares.want(repository, found.sha)
  return record
}

/** Branch and registration, and with a spare the files. */
async function begin(
  engine: Engine,
  spares: Spares,
  making: Making,
  start: string,
  spare: Reserved | null,
): Promise<JobRecord> {
  const { jobId, repository, path, signal } = making
  let handedOver = false
  try {
    return await engine.lock.run(repository.commonDir, signal, async () => {
      const chosen = await chooseBranch(engine, repository, jobId, signal)
      // Before git changes anything: whatever is half made after a crash is known by its record. The name was chosen
      // under the same hold of the lock, because taking the job back takes the branch.
      const planned = await plan(engine, making, { start, fromSpare: spare !== null }, chosen)
      await makeBranch(engine, repository, chosen.branch, start, signal)
      const lockReason = markerText({ instanceId: engine.instanceId, kind: 'job', id: jobId })
      const wanted = { path, sha: start, branch: chosen.branch, lockReason }
      if (spare === null) await register(engine.git, repository, wanted, signal)
      else await spares.handOver(spare, wanted)
      handedOver = spare !== null
      return planned
    })
  } catch (error) {
    if (spare !== null && !handedOver) await spares.giveBack(spare)
    throw error
  }
}

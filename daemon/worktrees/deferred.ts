import { messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Engine } from './engine.ts'
import type { JobRecord } from './job-record.ts'
import { finishRemoval } from './remove.ts'
import { processesIn } from './standing.ts'

const EVERY_MS = 2_000

/** After a failure a clone gets time to recover, ms. */
const AFTER_FAILURE_MS = 60_000

/**
 * Removes worktrees that were asked to go, when the last process has left them, and those whose removal was cut off
 * by an error. Runs until the engine stops.
 */
export async function watchDeferred(engine: Engine): Promise<void> {
  const notBefore = new Map<string, number>()
  while (!engine.stopping.aborted) {
    // Records that cannot be read now are told by whoever needs one; the next look may find them.
    for (const record of await engine.records.jobs().catch(() => [])) {
      if (!isWaiting(record) || (notBefore.get(record.jobId) ?? 0) > Date.now()) continue
      const went = await tryAgain(engine, record.jobId)
      if (went) notBefore.delete(record.jobId)
      else notBefore.set(record.jobId, Date.now() + AFTER_FAILURE_MS)
    }
    await delay(EVERY_MS, engine.stopping)
  }
}

function isWaiting(record: JobRecord): boolean {
  return (
    record.phase === 'removing' ||
    record.phase === 'saved' ||
    (record.phase === 'ready' && record.removal !== null)
  )
}

/** False: it failed, so not at once again. */
async function tryAgain(engine: Engine, jobId: string): Promise<boolean> {
  try {
    return await engine.turns.run(jobId, engine.stopping, async () => {
      const record = await engine.records.job(jobId)
      // Claimed again, or removed, while we waited for the turn.
      if (record === null || !isWaiting(record)) return true
      if (record.phase === 'ready' && (await processesIn(record.path)).length > 0) return true
      const { outcome, reason, salvageRef, isOccupied } = await finishRemoval(engine, record)
      engine.logger.info(
        { job: jobId, outcome, reason, salvage_ref: salvageRef },
        'a removal was deferred until now',
      )
      // Whoever stands in it may be a git of ours that only looks: gone in a moment.
      return outcome === 'removed' || isOccupied
    })
  } catch (error) {
    if (engine.stopping.aborted) return true
    engine.logger.warn({ job: jobId, err: messageOf(error) }, 'a deferred removal failed; it is tried again')
    return false
  }
}

import { messageOf } from '../errors.ts'
import { delay } from '../lifecycle/delay.ts'
import type { Engine } from './engine.ts'
import { finishRemoval } from './remove.ts'
import { processesIn } from './standing.ts'

const EVERY_MS = 2_000

/** Removes worktrees that were asked to go, when the last process has left them. Runs until the engine stops. */
export async function watchDeferred(engine: Engine): Promise<void> {
  while (!engine.stopping.aborted) {
    for (const { jobId, removal } of await engine.records.jobs()) {
      if (removal !== null) await tryAgain(engine, jobId)
    }
    await delay(EVERY_MS, engine.stopping)
  }
}

async function tryAgain(engine: Engine, jobId: string): Promise<void> {
  try {
    await engine.turns.run(jobId, engine.stopping, async () => {
      const record = await engine.records.job(jobId)
      // Claimed again, or removed, while we waited for the turn.
      if (record === null || record.removal === null || record.phase !== 'ready') return
      if ((await processesIn(record.path, engine.childEnv)).length > 0) return
      const { outcome, reason, salvageRef } = await finishRemoval(engine, record)
      engine.logger.info(
        { job: jobId, outcome, reason, salvage_ref: salvageRef },
        'a removal was deferred until now',
      )
    })
  } catch (error) {
    if (engine.stopping.aborted) return
    engine.logger.warn({ job: jobId, err: messageOf(error) }, 'a deferred removal failed; it is tried again')
  }
}

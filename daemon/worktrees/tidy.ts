import { messageOf } from '../errors.ts'
import type { Engine } from './engine.ts'
import { sweep } from './git/registration.ts'
import { finishRemoval } from './remove.ts'
import { knownClones } from './salvage/saved-work.ts'
import { takeBackRestores, unfinishedRestores } from './salvage/take-back-restores.ts'
import { undo } from './undo.ts'

/**
 * Finishes what a crash cut off, which needs nobody's judgement: a half-made worktree is taken back, a removal
 * that had begun is carried through. Each under its job's turn, so nothing that runs now is disturbed.
 */
export async function tidy(engine: Engine): Promise<void> {
  for (const { jobId } of await engine.records.jobs()) {
    await inTurn(engine, jobId, async () => {
      const record = await engine.records.job(jobId)
      if (record?.phase === 'creating') await undo(engine, record)
      else if (record?.phase === 'removing' || record?.phase === 'saved') await finishRemoval(engine, record)
    })
  }
  for (const repository of await knownClones(engine)) {
    // A removal that was cut off here has nothing left to find.
    await engine.lock
      .run(repository.commonDir, engine.stopping, () => sweep(repository))
      .catch((error: unknown) => {
        engine.logger.info({ clone: repository.root, err: messageOf(error) }, 'a clone could not be tidied')
      })
    for (const jobId of await unfinishedRestores(engine, repository).catch((): string[] => [])) {
      await inTurn(engine, jobId, () => takeBackRestores(engine, repository, jobId))
    }
  }
}

async function inTurn(engine: Engine, jobId: string, work: () => Promise<void>): Promise<void> {
  if (engine.stopping.aborted) return
  await engine.turns.run(jobId, engine.stopping, work).catch((error: unknown) => {
    if (engine.stopping.aborted) return
    engine.logger.warn({ job: jobId, err: messageOf(error) }, 'a cut-off worktree could not be tidied now')
  })
}

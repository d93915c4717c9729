import { rename } from 'node:fs/promises'
import { messageOf } from '../errors.ts'
import type { Engine } from './engine.ts'
import { unregister } from './git/registration.ts'
import type { Repository } from './git/repository.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { save } from './salvage/save.ts'
import type { SpareRecord } from './spare-record.ts'
import { processesIn } from './standing.ts'

/**
 * Removes a spare worktree; never throws, and leaves it where that is not safe. What somebody put into it is saved
 * first, like a job's work. The caller sees to it that nobody else has it in hand.
 */
export async function discardSpare(engine: Engine, spare: SpareRecord): Promise<void> {
  const { records, repositories, trash, lock, stopping, logger } = engine
  try {
    const isThere = (await lstatOrNull(spare.path)) !== null
    const repository = await repositories.open(spare.repoRoot, stopping).catch(() => null)
    const mayGo =
      isThere && spare.phase === 'ready' ? await saveItsWork(engine, spare, repository) : async () => true
    const place = await trash.move(spare.path)
    if (place !== null && !(await mayGo(place))) {
      await rename(place, spare.path)
      throw new Error('somebody works in it')
    }
    // A clone that is gone has no registration to end.
    if (repository !== null) {
      await lock.run(repository.commonDir, stopping, () => unregister(repository, spare.path))
    }
    await records.forgetSpare(spare.name)
    if (place !== null) void trash.delete(place, stopping)
  } catch (error) {
    if (!stopping.aborted) logger.warn({ spare: spare.path, why: messageOf(error) }, 'a spare worktree stays')
  }
}

/** Throws when work in it cannot be saved; answers whether what lies at a place is still what was saved. */
async function saveItsWork(
  engine: Engine,
  spare: SpareRecord,
  repository: Repository | null,
): Promise<(place: string) => Promise<boolean>> {
  if (repository === null) throw new Error('its clone cannot be opened')
  const { name, sha, wantedAt } = spare
  const subject = { ...spare, jobId: `spare-${name}`, branch: '', baseSha: sha, createdAt: wantedAt }
  const saved = await save(engine, repository, subject)
  if (saved.keptBecause !== null) throw new Error(saved.keptBecause)
  if (saved.ref !== null)
    engine.logger.warn({ spare: spare.path, ref: saved.ref }, 'a spare worktree held work, which is saved')
  return async (place) => (await processesIn(place)).length === 0 && saved.isStillSo(place)
}

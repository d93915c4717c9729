import { notFound } from '../../errors.ts'
import type { Engine } from '../engine.ts'
import { lockOfRef } from '../git/refs.ts'
import { onClone, type Repository } from '../git/repository.ts'
import { checkJobId } from '../layout.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { WorktreeError } from '../worktree-error.ts'
import { knownClones, savedIn } from './saved-work.ts'

/** Forgets all saved work of a job, for good. Throws NOT_FOUND when there is none. */
export async function drop(engine: Engine, jobId: string): Promise<{ refs: string[] }> {
  checkJobId(jobId)
  const refs: string[] = []
  for (const repository of await knownClones(engine)) {
    await engine.lock.run(repository.commonDir, engine.stopping, async () => {
      for (const { ref } of await savedIn(engine, repository, jobId)) {
        await forget(engine, repository, ref)
        refs.push(ref)
      }
    })
  }
  if (refs.length === 0) throw notFound('Saved work of job', jobId)
  return { refs }
}

async function forget(engine: Engine, repository: Repository, ref: string): Promise<void> {
  const lock = lockOfRef(repository, ref)
  // git would wait half a minute for it, and nobody of ours is there while we hold the clone's lock.
  if ((await lstatOrNull(lock)) !== null) {
    throw new WorktreeError(
      `${ref} is locked, so it is still there`,
      `If no git runs in ${repository.root}, one that was killed left ${lock}: delete that file, then ask again.`,
      { permanent: false },
    )
  }
  await engine.git.run(onClone(repository, engine.stopping), 'update-ref', '-d', ref)
}

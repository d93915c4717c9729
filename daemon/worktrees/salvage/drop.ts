import { notFound } from '../../errors.ts'
import type { Engine } from '../engine.ts'
import { onClone } from '../git/repository.ts'
import { checkJobId } from '../layout.ts'
import { knownClones, savedIn } from './saved-work.ts'

/** Forgets all saved work of a job, for good. Throws NOT_FOUND when there is none. */
export async function drop(engine: Engine, jobId: string): Promise<{ refs: string[] }> {
  checkJobId(jobId)
  const refs: string[] = []
  for (const repository of await knownClones(engine)) {
    await engine.lock.run(repository.commonDir, engine.stopping, async () => {
      for (const { ref } of await savedIn(engine, repository, jobId)) {
        await engine.git.run(onClone(repository, engine.stopping), 'update-ref', '-d', ref)
        refs.push(ref)
      }
    })
  }
  if (refs.length === 0) throw notFound('Saved work of job', jobId)
  return { refs }
}

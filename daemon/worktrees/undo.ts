import type { Engine } from './engine.ts'
import { deleteBranch } from './git/refs.ts'
import { sweep, unregister } from './git/registration.ts'
import { listWorktrees, onClone, openRepository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'

/**
 * Takes back a worktree that was never handed out: directory, registration, branch, record.
 * The branch goes only while it is where create put it and no other worktree has it checked out.
 */
export async function undo(engine: Engine, record: JobRecord): Promise<void> {
  const repository = await openRepository(engine.git, record.repoRoot, engine.stopping)
  await engine.lock.run(repository.commonDir, engine.stopping, async () => {
    const place = await engine.trash.move(record.path)
    await unregister(repository, record.path)
    await sweep(repository)
    const holders = await listWorktrees(engine.git, onClone(repository, engine.stopping))
    if (record.baseSha !== null && !holders.some((worktree) => worktree.branch === record.branch)) {
      await deleteBranch(engine.git, repository, record.branch, record.baseSha, engine.stopping)
    }
    await engine.records.forget(record.jobId)
    if (place !== null) void engine.trash.delete(place, engine.stopping)
  })
}

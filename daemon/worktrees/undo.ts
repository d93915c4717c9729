import type { Engine } from './engine.ts'
import { deleteBranch } from './git/refs.ts'
import { listWorktrees, onClone, openRepository, type Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'

/**
 * Takes back a worktree that was never handed out: directory, registration, branch, record.
 * The branch goes only while it is where create put it and no other worktree has it checked out.
 */
export async function undo(engine: Engine, record: JobRecord): Promise<void> {
  const repository = await openRepository(engine.git, record.repoRoot, engine.stopping)
  await engine.lock.run(repository.commonDir, engine.stopping, async () => {
    const place = await engine.trash.move(record.path)
    await unregister(engine, repository, record.path)
    const holders = await listWorktrees(engine.git, onClone(repository, engine.stopping))
    if (record.baseSha !== null && !holders.some((worktree) => worktree.branch === record.branch)) {
      await deleteBranch(engine.git, onClone(repository, engine.stopping), record.branch, record.baseSha)
    }
    await engine.records.forget(record.jobId)
    if (place !== null) void engine.trash.delete(place, engine.stopping)
  })
}

/**
 * Ends the registration of a worktree whose directory is away; the caller holds the clone's lock.
 * `prune` would do for all at once, but it would also take a person's worktree on a disk that is not mounted now.
 */
export async function unregister(engine: Engine, repository: Repository, path: string): Promise<void> {
  const call = onClone(repository, engine.stopping)
  const listed = await listWorktrees(engine.git, call)
  if (listed.some((worktree) => worktree.path === path)) {
    // Twice: it is locked.
    await engine.git.run(call, 'worktree', 'remove', '--force', '--force', path)
  }
}

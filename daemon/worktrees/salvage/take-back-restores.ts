import type { Engine } from '../engine.ts'
import { deleteBranch } from '../git/refs.ts'
import { unregister } from '../git/registration.ts'
import { listWorktrees, onClone, type Repository } from '../git/repository.ts'
import { parseMarker } from '../marker.ts'

/**
 * Takes away what an unfinished restore has made: worktree and branch. The save has all of it. The caller has the
 * job's turn, so none of that job runs.
 */
export function takeBackRestores(engine: Engine, repository: Repository, jobId: string): Promise<void> {
  return engine.lock.run(repository.commonDir, engine.stopping, async () => {
    for (const { path, branch, head } of await unfinished(engine, repository, jobId)) {
      await engine.disk.deleteTree(path, engine.stopping)
      await unregister(repository, path)
      // An unborn branch has no commit, and git lists zeros for it.
      if (branch !== null && head !== null && head !== repository.zeroId) {
        await deleteBranch(engine.git, repository, branch, head, engine.stopping)
      }
    }
  })
}

/** Jobs of this installation with a restore that did not come to its end. */
export async function unfinishedRestores(engine: Engine, repository: Repository): Promise<string[]> {
  const worktrees = await listWorktrees(engine.git, onClone(repository, engine.stopping))
  return worktrees.flatMap(({ lockReason }) => {
    const marker = parseMarker(lockReason)
    return marker?.kind === 'restore' && marker.instanceId === engine.instanceId ? [marker.id] : []
  })
}

async function unfinished(engine: Engine, repository: Repository, jobId: string) {
  const worktrees = await listWorktrees(engine.git, onClone(repository, engine.stopping))
  return worktrees.filter(({ lockReason }) => {
    const marker = parseMarker(lockReason)
    return marker?.kind === 'restore' && marker.instanceId === engine.instanceId && marker.id === jobId
  })
}

import type { Engine } from '../engine.ts'
import { deleteBranch } from '../git/refs.ts'
import { findAdminDir, unregister } from '../git/registration.ts'
import { listWorktrees, onClone, type Repository } from '../git/repository.ts'
import type { ListedWorktree } from '../git/worktree-list.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { parseMarker } from '../marker.ts'
import { holdsOnlySaved } from './holds-only-saved.ts'
import { savedIn } from './saved-work.ts'
import { WorktreeGit } from './worktree-git.ts'

/**
 * Takes away what an unfinished restore has made: worktree and branch. The save has all of it; one that holds more is
 * a person's by now, and stays. The caller has the job's turn, so none of that job runs.
 * @param justFailed a restore that nobody can have found yet (real path)
 */
export function takeBackRestores(
  engine: Engine,
  repository: Repository,
  jobId: string,
  justFailed?: string,
): Promise<void> {
  const call = onClone(repository, engine.stopping)
  return engine.lock.run(repository.commonDir, engine.stopping, async () => {
    for (const listed of await unfinished(engine, repository, jobId)) {
      const { path, branch, head } = listed
      if (path !== justFailed && (await isSomebodys(engine, repository, jobId, listed))) {
        await engine.git.run(call, 'worktree', 'unlock', path)
        engine.logger.warn(
          { job: jobId, path },
          'a restore was cut off, and its worktree has been worked in since: it stays as it is, perhaps incomplete',
        )
        continue
      }
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

async function unfinished(engine: Engine, repository: Repository, jobId: string): Promise<ListedWorktree[]> {
  const worktrees = await listWorktrees(engine.git, onClone(repository, engine.stopping))
  return worktrees.filter(({ lockReason }) => {
    const marker = parseMarker(lockReason)
    return marker?.kind === 'restore' && marker.instanceId === engine.instanceId && marker.id === jobId
  })
}

async function isSomebodys(
  engine: Engine,
  repository: Repository,
  jobId: string,
  listed: ListedWorktree,
): Promise<boolean> {
  const { path } = listed
  const adminDir = await findAdminDir(repository.commonDir, path)
  if (adminDir === null || (await lstatOrNull(path)) === null) return false
  const git = new WorktreeGit(engine.git, { repository, adminDir, path }, engine.stopping)
  return !(await holdsOnlySaved(git, listed, await savedIn(engine, repository, jobId)))
}

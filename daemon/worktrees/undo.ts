import { dirname, join } from 'node:path'
import type { Engine } from './engine.ts'
import { deleteBranch } from './git/refs.ts'
import { findAdminDir, namedAdminDir, replaceFile, sweep, unregister } from './git/registration.ts'
import { listWorktrees, onClone, type Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { reregister } from './reregister.ts'
import { save } from './salvage/save.ts'

/** A spare that was renamed may be registered where it was before, or nowhere: its record was still that of a spare. */
async function finishMove(engine: Engine, { commonDir }: Repository, record: JobRecord): Promise<void> {
  const { path, jobId } = record
  // Under the lock, because the spare that is no more may be unregistered at the same time.
  const isKnown = await engine.lock.run(commonDir, engine.stopping, async () => {
    if ((await findAdminDir(commonDir, path)) !== null) return true
    const admin = await namedAdminDir(path).catch(() => null)
    if (admin === null || dirname(admin) !== join(commonDir, 'worktrees')) return false
    if ((await lstatOrNull(admin)) === null) return false
    await replaceFile(join(admin, 'gitdir'), `${join(path, '.git')}\n`)
    return true
  })
  if (isKnown) return
  const reason = markerText({ instanceId: engine.instanceId, kind: 'job', id: jobId })
  await reregister(engine, { ...record, reason })
}

/**
 * Takes back a worktree that was never handed out: directory, registration, branch, record.
 * The branch goes only while it is where create put it and no other worktree has it checked out. What somebody
 * left in the spare that it was made from is saved first; throws when that cannot be.
 */
export async function undo(engine: Engine, record: JobRecord): Promise<void> {
  const repository = await engine.repositories.open(record.repoRoot, engine.stopping)
  if (record.fromSpare === true && (await lstatOrNull(record.path)) !== null) {
    await finishMove(engine, repository, record)
    const { keptBecause } = await save(engine, repository, record)
    if (keptBecause !== null) throw new Error(keptBecause)
  }
  await engine.lock.run(repository.commonDir, engine.stopping, async () => {
    const place = await engine.trash.move(record.path)
    await unregister(repository, record.path)
    await sweep(repository)
    const holders = await listWorktrees(engine.git, onClone(repository, engine.stopping))
    if (!holders.some((worktree) => worktree.branch === record.branch)) {
      for (const sha of [record.baseSha, record.movedTo]) {
        if (sha) await deleteBranch(engine.git, repository, record.branch, sha, engine.stopping)
      }
    }
    await engine.records.forget(record.jobId)
    if (place !== null) void engine.trash.delete(place, engine.stopping)
  })
}

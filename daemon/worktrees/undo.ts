import { readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
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
    await removeHalfRegistration(repository, record)
    const holders = await listWorktrees(engine.git, onClone(repository, engine.stopping))
    if (record.baseSha !== null && !holders.some((worktree) => worktree.branch === record.branch)) {
      await deleteBranch(engine.git, onClone(repository, engine.stopping), record.branch, record.baseSha)
    }
    await engine.records.forget(record.jobId)
    if (place !== null) void engine.trash.delete(place, engine.stopping)
  })
}

/**
 * An add that was killed at its very beginning leaves a directory that `worktree list` does not show and that
 * `prune` skips, because it is locked. Nobody else can be adding one: we hold the clone's lock.
 */
async function removeHalfRegistration(repository: Repository, record: JobRecord): Promise<void> {
  const directory = join(repository.commonDir, 'worktrees')
  const names = await readdir(directory).catch((): string[] => [])
  for (const name of names) {
    if (!name.startsWith(record.jobId) || !/^\d*$/.test(name.slice(record.jobId.length))) continue
    const gitdir = await readFile(join(directory, name, 'gitdir'), 'utf8').catch(() => '')
    if (gitdir.trim() !== '' && gitdir.trim() !== join(record.path, '.git')) continue
    await rm(join(directory, name), { recursive: true, force: true })
  }
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

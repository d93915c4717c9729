import type { Engine } from './engine.ts'
import { commitOf } from './git/refs.ts'
import { onClone, openRepository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'

export interface Saved {
  /** Null: there was nothing to save, or it could not be saved. */
  readonly ref: string | null
  /** The tip of the job's branch that was looked at; one that moved since is not safe. */
  readonly branchTip: string | null
  readonly ignored: { readonly files: number; readonly bytes: number } | null
  /** Set: the worktree holds something that is nowhere else, so it must stay. */
  readonly keptBecause: string | null
}

/** Until work can be saved: a worktree with anything that is not provably elsewhere is kept. */
export async function save(engine: Engine, record: JobRecord): Promise<Saved> {
  const repository = await openRepository(engine.git, record.repoRoot, engine.stopping)
  const call = onClone(repository, engine.stopping)
  const branchTip = await commitOf(engine.git, call, `refs/heads/${record.branch}`)
  const inWorktree = { ...call, dir: record.path, env: { GIT_OPTIONAL_LOCKS: '0' } }
  const changes = await engine.git.text(
    inWorktree,
    'status',
    '--porcelain',
    '--untracked-files=all',
    '--ignored=no',
  )
  const kept = (keptBecause: string | null): Saved => ({ ref: null, branchTip, ignored: null, keptBecause })
  if (changes !== '') return kept('it has changes that are not committed')
  const tips = [await commitOf(engine.git, inWorktree, 'HEAD'), branchTip].filter((tip) => tip !== null)
  const known = record.baseSha === null ? [] : [record.baseSha]
  const only = await engine.git.text(
    call,
    'rev-list',
    '--max-count=1',
    ...tips,
    '--not',
    '--remotes',
    ...known,
  )
  return kept(only === '' ? null : 'it has commits that are not pushed')
}

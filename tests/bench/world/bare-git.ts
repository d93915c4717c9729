import { rename } from 'node:fs/promises'
import { join } from 'node:path'
import { git } from '../../support/git.ts'
import { timed } from './clock.ts'

let serial = 0

/** The floor of any worktree: ms of one `git worktree add` of a new branch in this clone, which forgets it again. */
export async function bareWorktreeAdd(clone: string, parent: string): Promise<number> {
  serial += 1
  const branch = `bench-${process.pid}-${serial}`
  const path = join(parent, branch)
  const took = await timed(() => git(clone, 'worktree', 'add', '--quiet', '-b', branch, path, 'origin/main'))
  // Deleted with everything else: for minutes ext4 is slow to make files where it has deleted some.
  await rename(path, `${path}.gone`)
  await git(clone, 'worktree', 'prune')
  await git(clone, 'branch', '--quiet', '-D', branch)
  return took
}

/** ms of the least fetch that tells whether origin's default branch has moved. */
export function bareFetch(clone: string): Promise<number> {
  return timed(() =>
    git(
      clone,
      'fetch',
      '--quiet',
      '--no-tags',
      '--no-auto-maintenance',
      '--no-write-fetch-head',
      'origin',
      'main',
    ),
  )
}

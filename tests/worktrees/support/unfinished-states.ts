import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { State } from './state.ts'
import type { Workspace } from './workspace.ts'

/** Merges, rebases and cherry-picks that stopped half way. */
export const UNFINISHED: readonly State[] = [
  {
    name: 'in the middle of a merge with conflicts',
    saves: true,
    make: async (space, path) => {
      await conflictingBranch(space, path, 'merge')
      await space.git(path, 'merge', 'other-merge').catch(() => undefined)
      await writeFile(join(path, 'untracked-in-merge.txt'), 'u')
    },
  },
  {
    name: 'in the middle of a rebase with autostash',
    saves: true,
    statusDiffers: true,
    make: async (space, path) => {
      await conflictingBranch(space, path, 'rebase')
      await writeFile(join(path, 'src/b.txt'), 'autostashed\n')
      await space.git(path, 'rebase', '--autostash', 'other-rebase').catch(() => undefined)
    },
  },
  {
    name: 'in the middle of a cherry-pick',
    saves: true,
    make: async (space, path) => {
      await conflictingBranch(space, path, 'pick')
      await space.git(path, 'cherry-pick', 'other-pick').catch(() => undefined)
    },
  },
]

/** A commit on another branch that conflicts with one on this. */
async function conflictingBranch(space: Workspace, path: string, name: string): Promise<void> {
  const branch = await space.git(path, 'symbolic-ref', '--short', 'HEAD')
  await space.git(path, 'switch', '--quiet', '-c', `other-${name}`)
  await space.commit(path, 'src/a.txt', 'theirs\n')
  await space.git(path, 'switch', '--quiet', branch)
  await space.commit(path, 'src/a.txt', 'ours\n')
}

import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { State } from './state.ts'

const exec = promisify(execFile)

/** Repositories inside the worktree. */
export const NESTED: readonly State[] = [
  {
    name: 'a nested repository with commits of its own',
    saves: true,
    make: async (space, path) => {
      await mkdir(join(path, 'nested'))
      await space.git(join(path, 'nested'), 'init', '--quiet')
      await space.commit(join(path, 'nested'), 'inner.txt', 'inner')
      await writeFile(join(path, 'nested/dirty.txt'), 'dirty')
    },
  },
  {
    name: 'a nested repository without a commit',
    saves: true,
    make: async (space, path) => {
      await mkdir(join(path, 'deep/nested'), { recursive: true })
      await space.git(join(path, 'deep/nested'), 'init', '--quiet')
      await writeFile(join(path, 'deep/nested/only-a-file.txt'), 'not committed')
    },
  },
  {
    name: 'a submodule with commits and changes of its own',
    saves: true,
    leaveOut: /^(\.git|module\/\.git)$/,
    make: async (space, path) => {
      const library = join(space.dir, 'library.git')
      await exec('git', ['clone', '--quiet', '--bare', space.origin, library], { env: space.env }).catch(
        () => undefined,
      )
      await space.git(
        path,
        '-c',
        'protocol.file.allow=always',
        'submodule',
        '--quiet',
        'add',
        library,
        'module',
      )
      await space.git(path, 'commit', '--quiet', '-m', 'a submodule')
      await space.commit(join(path, 'module'), 'inside.txt', 'committed in the submodule')
      await writeFile(join(path, 'module/dirty.txt'), 'dirty in the submodule')
    },
  },
]

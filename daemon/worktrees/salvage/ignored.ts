import type { Engine } from '../engine.ts'
import { systemTools } from '../system-tools.ts'
import { below, fields } from './bytes.ts'
import type { WorktreeGit } from './worktree-git.ts'

export interface Ignored {
  readonly files: number
  readonly bytes: number
}

/** Files that git ignores in this worktree: counted, never saved. Null: none, or the files are gone. */
export async function ignoredFiles(engine: Engine, git: WorktreeGit): Promise<Ignored | null> {
  const root = git.place.path
  if (root === null) return null
  const { stdout } = await git.run(
    {},
    'ls-files',
    '--others',
    '--ignored',
    '--exclude-standard',
    '--directory',
    '-z',
  )
  const paths = fields(stdout)
  if (paths.length === 0) return null
  const list = Buffer.concat(paths.flatMap((path) => [below(root, path), Buffer.of(0)]))
  // Directories like node_modules hold so many files that a child walks them; GNU and BSD tell sizes differently.
  const size = process.platform === 'linux' ? '-printf "%s\\n"' : '-exec stat -f "%z" {} +'
  const found = await engine.git.child({
    command: 'xargs',
    args: ['-0', 'sh', '-c', `exec find "$@" ! -type d ${size}`, 'find'],
    cwd: '/',
    env: systemTools(engine.childEnv),
    input: list,
    signal: engine.stopping,
    deadlineMs: 120_000,
  })
  const sizes = found.stdout
    .toString()
    .split('\n')
    .filter((line) => line !== '')
  return { files: sizes.length, bytes: sizes.reduce((sum, line) => sum + Number(line), 0) }
}

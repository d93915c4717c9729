import { chmod, mkdir, readFile, rename, rm, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { NESTED } from './nested-states.ts'
import type { State } from './state.ts'
import { UNFINISHED } from './unfinished-states.ts'
import type { Workspace } from './workspace.ts'

const work = async (space: Workspace, path: string) => {
  // The path makes the commit another one than its neighbour's of the same second.
  await space.commit(path, 'committed.txt', `committed in ${path}\n`)
}

export const STATES: readonly State[] = [
  { name: 'clean', saves: false, make: async () => undefined },
  {
    name: 'modified',
    saves: true,
    make: (_space, path) => writeFile(join(path, 'src/a.txt'), 'modified\n'),
  },
  {
    name: 'modified in the second it was staged, same size',
    saves: true,
    make: async (space, path) => {
      const file = join(path, 'src/a.txt')
      const second = new Date(Math.floor(Date.now() / 1000) * 1000)
      await writeFile(file, 'one\n')
      await utimes(file, second, second)
      await space.git(path, 'add', '-A')
      await writeFile(file, 'two\n')
      await utimes(file, second, second)
    },
  },
  {
    name: 'staged',
    saves: true,
    make: async (space, path) => {
      await writeFile(join(path, 'src/a.txt'), 'staged\n')
      await space.write(join(path, 'new/file.txt'), 'new\n')
      await space.git(path, 'add', '-A')
    },
  },
  {
    name: 'staged, then modified again, then deleted elsewhere',
    saves: true,
    make: async (space, path) => {
      await writeFile(join(path, 'src/a.txt'), 'staged\n')
      await space.git(path, 'add', '-A')
      await writeFile(join(path, 'src/a.txt'), 'modified after staging\n')
      await unlink(join(path, 'src/b.txt'))
    },
  },
  {
    name: 'untracked, with names of every kind',
    saves: true,
    make: async (_space, path) => {
      const names = [
        'plain',
        'with space',
        'new\nline',
        'quo"te',
        'back\\slash',
        '-dash',
        'Ünïcödé',
        'carriage\r',
        'tab\t',
      ]
      for (const name of names) await writeFile(join(path, name), `content of ${name}`)
      await writeFile(
        Buffer.concat([Buffer.from(`${path}/`), Buffer.from([0xff, 0xfe, 0x2e, 0x62])]),
        'no utf-8',
      )
      await mkdir(join(path, 'deep/er/and/deeper'), { recursive: true })
      await writeFile(join(path, 'deep/er/and/deeper/file'), Buffer.from([0, 1, 2, 255, 254, 13, 10]))
    },
  },
  {
    name: 'ignored only',
    saves: false,
    leaveOut: /^(\.git|ignored\/.*|x\.log)$/,
    make: async (space, path) => {
      await space.write(join(path, 'ignored/big'), 'x'.repeat(1000))
      await space.write(join(path, 'x.log'), 'log')
    },
  },
  {
    name: 'stash',
    saves: true,
    make: async (space, path) => {
      await writeFile(join(path, 'src/a.txt'), 'stashed\n')
      await space.write(join(path, 'stashed-untracked.txt'), 'u\n')
      await space.git(path, 'stash', 'push', '--quiet', '--include-untracked')
    },
  },
  { name: 'committed, not pushed', saves: true, make: work },
  {
    name: 'committed and pushed',
    saves: false,
    make: async (space, path) => {
      await work(space, path)
      await space.git(path, 'push', '--quiet', 'origin', 'HEAD')
    },
  },
  {
    name: 'amended after pushing, and a commit reset away',
    saves: true,
    make: async (space, path) => {
      await work(space, path)
      await space.commit(path, 'reset-away.txt', 'reset away')
      await space.git(path, 'reset', '--quiet', '--hard', 'HEAD~1')
      await space.git(path, 'commit', '--quiet', '--amend', '-m', 'amended')
      await space.git(path, 'push', '--quiet', 'origin', 'HEAD')
    },
  },
  {
    name: 'detached',
    saves: true,
    make: async (space, path) => {
      await space.git(path, 'switch', '--quiet', '--detach')
      await work(space, path)
      await writeFile(join(path, 'untracked.txt'), 'u')
    },
  },
  ...UNFINISHED,
  {
    name: 'assume-unchanged and skip-worktree edits',
    saves: true,
    make: async (space, path) => {
      await space.git(path, 'update-index', '--assume-unchanged', 'src/a.txt')
      await space.git(path, 'update-index', '--skip-worktree', 'src/b.txt')
      await writeFile(join(path, 'src/a.txt'), 'hidden edit\n')
      await writeFile(join(path, 'src/b.txt'), 'another hidden edit\n')
    },
  },
  {
    name: 'switched to another branch',
    saves: true,
    make: async (space, path) => {
      await work(space, path)
      await space.git(path, 'switch', '--quiet', '-c', 'my-own-idea')
      await space.commit(path, 'idea.txt', 'idea')
      await writeFile(join(path, 'src/a.txt'), 'on the other branch\n')
    },
  },
  {
    name: 'an orphan branch without a commit',
    saves: true,
    make: async (space, path) => {
      await space.git(path, 'switch', '--quiet', '--orphan', 'fresh')
      await writeFile(join(path, 'fresh.txt'), 'fresh')
      await space.git(path, 'add', 'fresh.txt')
    },
  },
  {
    name: 'modes, symlinks, a file that became a directory and the reverse',
    saves: true,
    make: async (space, path) => {
      await chmod(join(path, 'src/a.txt'), 0o755)
      await symlink('../../../etc/passwd', join(path, 'out-of-the-tree'))
      await symlink('nowhere', join(path, 'dangling'))
      await rm(join(path, 'README.md'))
      await space.write(join(path, 'README.md/inside.txt'), 'a directory now\n')
      await rm(join(path, 'src'), { recursive: true })
      await writeFile(join(path, 'src'), 'a file now\n')
    },
  },
  {
    name: 'line ends that git would change',
    saves: true,
    make: async (space, path) => {
      await writeFile(join(path, '.gitattributes'), '*.crlf text eol=crlf\n*.auto text=auto\n*.id ident\n')
      await writeFile(join(path, 'mixed.crlf'), 'one\r\ntwo\nthree\r\n')
      await writeFile(join(path, 'windows.auto'), 'one\r\ntwo\r\n')
      await writeFile(join(path, 'marked.id'), '$Id$ and $Id: 1234 $\n')
      // A checkout would not bring it as it is.
      await writeFile(join(path, 'unix.crlf'), 'one\ntwo\n')
      const names = ['.gitattributes', 'windows.auto', 'marked.id', 'unix.crlf']
      await space.git(path, '-c', 'core.safecrlf=false', 'add', ...names)
      await space.git(path, 'commit', '--quiet', '-m', 'normalised')
    },
  },
  {
    name: 'intent to add, and a split index',
    saves: true,
    make: async (space, path) => {
      await space.git(path, 'update-index', '--split-index')
      await writeFile(join(path, 'intended.txt'), 'intended\n')
      await space.git(path, 'add', '--intent-to-add', 'intended.txt')
      await writeFile(join(path, 'src/a.txt'), 'staged in a split index\n')
      await space.git(path, 'add', 'src/a.txt')
    },
  },
  ...NESTED,
  {
    name: 'the .git file deleted',
    saves: true,
    statusDiffers: true,
    make: async (_space, path) => {
      await writeFile(join(path, 'untracked.txt'), 'u')
      await unlink(join(path, '.git'))
    },
  },
  {
    name: 'the registration lost',
    saves: true,
    statusDiffers: true,
    make: async (space, path) => {
      await work(space, path)
      await writeFile(join(path, 'src/a.txt'), 'modified\n')
      await writeFile(join(path, 'untracked.txt'), 'u')
      const admin = (await readFile(join(path, '.git'), 'utf8')).replace(/^gitdir: /, '').trim()
      await rm(admin, { recursive: true })
    },
  },
  {
    name: 'files renamed by the agent, case changed',
    saves: true,
    make: (_space, path) => rename(join(path, 'src/a.txt'), join(path, 'src/A.txt')),
  },
  {
    name: 'saved twice, the second time with less',
    saves: true,
    make: async (space, path) => {
      await work(space, path)
      await writeFile(join(path, 'untracked.txt'), 'first')
      await writeFile(join(path, 'gone-again.txt'), 'first')
    },
    again: async (_space, path) => {
      await writeFile(join(path, 'untracked.txt'), 'second')
      await unlink(join(path, 'gone-again.txt'))
    },
  },
]

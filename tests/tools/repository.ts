import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A real clone with an origin and one commit, in a directory of the test's own. */
export interface Repository {
  /** The directory that holds everything; links in its path are resolved. */
  readonly root: string
  readonly clone: string
  git(cwd: string, ...args: string[]): Promise<string>
  /** A linked worktree on a branch of its own, below `root`. */
  worktree(name: string): Promise<{ path: string; base: string }>
  write(directory: string, files: Record<string, string>): Promise<void>
  commit(directory: string, files: Record<string, string>, message: string): Promise<void>
  remove(): Promise<void>
}

export async function makeRepository(
  files: Record<string, string> = { 'README.md': 'hello\n' },
): Promise<Repository> {
  const root = await realpath(await mkdtemp(join(tmpdir(), 'scrum4me-tools-')))
  const git = async (cwd: string, ...args: string[]) => {
    const identity = [
      '-c',
      'user.name=Test',
      '-c',
      'user.email=test@example.com',
      '-c',
      'init.defaultBranch=main',
    ]
    const env = { PATH: process.env.PATH, HOME: root, LC_ALL: 'C' }
    return (await run('git', [...identity, ...args], { cwd, env })).stdout.trim()
  }
  const write = async (directory: string, contents: Record<string, string>) => {
    for (const [path, content] of Object.entries(contents)) {
      await mkdir(dirname(join(directory, path)), { recursive: true })
      await writeFile(join(directory, path), content)
    }
  }
  const commit = async (directory: string, contents: Record<string, string>, message: string) => {
    await write(directory, contents)
    await git(directory, 'add', '-A')
    await git(directory, 'commit', '-qm', message)
  }
  const clone = join(root, 'clone')
  await git(root, 'init', '-q', '--bare', 'origin.git')
  await git(root, 'clone', '-q', join(root, 'origin.git'), clone)
  await commit(clone, files, 'first')
  await git(clone, 'push', '-q', 'origin', 'HEAD:main')
  await git(clone, 'remote', 'set-head', 'origin', '-a')
  return {
    ...{ root, clone, git, write, commit },
    worktree: async (name) => {
      const path = join(root, name)
      await git(clone, 'worktree', 'add', '-q', '-b', name, path)
      return { path, base: await git(path, 'rev-parse', 'HEAD') }
    },
    remove: () => rm(root, { recursive: true, force: true }),
  }
}

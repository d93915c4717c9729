import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { snapshot } from './support/snapshot.ts'
import { Workspace } from './support/workspace.ts'

const exec = promisify(execFile)
const JOB = 'cjob0000000000000000abcd1234'
let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
})
afterEach(() => space.close())

const create = () => engine.create({ jobId: JOB, repoRoot: space.clone })
const remove = () => engine.remove({ jobId: JOB, branch: 'delete' })

test('another worktree inside this one: all of it stays', async () => {
  const { path } = await create()
  await space.git(path, 'worktree', 'add', '--quiet', '-b', 'inner', 'inner')
  expect(await remove()).toMatchObject({ outcome: 'kept' })
  expect(existsSync(join(path, 'inner/README.md'))).toBe(true)
  await space.git(path, 'worktree', 'remove', 'inner')
  expect(await remove()).toMatchObject({ outcome: 'removed' })
})

test('a repository in place of it: all of it stays', async () => {
  const { path } = await create()
  await rm(join(path, '.git'))
  await space.git(path, 'init', '--quiet')
  await space.commit(path, 'work.txt', 'work')
  const outcome = await remove()
  expect(outcome).toMatchObject({ outcome: 'kept', salvageRef: null })
  expect(outcome.reason).toContain('a repository of its own')
  expect(await space.git(path, 'show', 'HEAD:work.txt')).toBe('work')
})

// macOS takes no such name.
test.runIf(process.platform === 'linux')(
  'a repository in it with a name that is no text: all of it stays',
  async () => {
    const { path } = await create()
    const script = `odd=$(printf 'n\\303'); git init -q "$odd"; echo work > "$odd/work.txt"`
    await exec('sh', ['-ec', script], { cwd: path, env: space.env })
    expect(await remove()).toMatchObject({ outcome: 'kept', reason: expect.stringContaining('no UTF-8') })
    const { stdout } = await exec('sh', ['-c', 'cat n*/work.txt'], { cwd: path })
    expect(stdout).toBe('work\n')
  },
)

test.each([
  ['files', 'mkdir module/deep; echo work > module/deep/work.c', 'module/deep/work.c'],
  [
    'a repository further down',
    'git init -q module/deep; echo work > module/deep/work.c',
    'module/deep/work.c',
  ],
  ['a file', 'rmdir module; echo work > module', 'module'],
  ['a symlink', 'rmdir module; ln -s src/a.txt module', 'module'],
])('%s where a submodule was never brought: saved and restored', async (_what, script, file) => {
  await space.pushSubmodule('module')
  const { path } = await create()
  await exec('sh', ['-c', script], { cwd: path, env: space.env })
  const before = await snapshot(path)
  expect(before[file]).toBeDefined()
  expect(await remove()).toMatchObject({
    outcome: 'removed',
    salvageRef: `refs/scrum4me/salvage/${JOB}/1`,
  })
  const restored = await engine.restore({ jobId: JOB })
  expect((await snapshot(restored.path))[file]).toBe(before[file])
})

test('a submodule with changed files and no commit of its own: it comes back as a repository', async () => {
  await space.pushSubmodule('module')
  const { path } = await create()
  await space.git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'update', '--init')
  await writeFile(join(path, 'module/new.txt'), 'work')
  await remove()
  const restored = await engine.restore({ jobId: JOB })
  expect(await space.git(join(restored.path, 'module'), 'status', '--porcelain')).toBe('?? new.txt')
})

test.each([
  ['with a slash in its name', 'a/b'],
  ['of a submodule', 'c/modules/d'],
])('commits of a submodule %s, of which no file is left: saved and restored', async (_what, name) => {
  const { path } = await create()
  const modules = join(await space.git(path, 'rev-parse', '--absolute-git-dir'), 'modules')
  await mkdir(modules)
  for (const one of ['c', name]) {
    await space.git(modules, 'init', '--quiet', '--bare', one)
    const refs = ['+refs/heads/*:refs/remotes/origin/*', '+refs/heads/main:refs/heads/main']
    await space.git(join(modules, one), 'fetch', '--quiet', space.origin, ...refs)
  }
  const inside = join(modules, name)
  const tree = await space.git(inside, 'hash-object', '-t', 'tree', '-w', '/dev/null')
  const commit = await space.git(inside, 'commit-tree', '-m', 'only here', tree)
  await space.git(inside, 'update-ref', 'refs/heads/mine', commit)
  await remove()
  const restored = await engine.restore({ jobId: JOB })
  const admin = await space.git(restored.path, 'rev-parse', '--absolute-git-dir')
  expect(await space.git(join(admin, 'modules', name), 'rev-parse', 'mine')).toBe(commit)
})

test('a submodule that was moved to another commit of its remote: which one is saved', async () => {
  await space.pushSubmodule('module')
  const { path } = await create()
  await space.git(path, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'update', '--init')
  const commit = await space.commit(join(path, 'module'), 'news.txt', 'news')
  await space.git(join(path, 'module'), 'push', '--quiet', 'origin', 'HEAD:refs/heads/news')
  const { salvageRef } = await remove()
  expect(await space.git(space.clone, 'rev-parse', `${salvageRef}:module`)).toBe(commit)
  const { notes } = await engine.restore({ jobId: JOB })
  expect(notes.join()).toContain('the submodule module stood at another commit')
})

test.each([
  ['assumed unchanged', 'git update-index --assume-unchanged README.md; echo work > README.md', 'README.md'],
  ['skipped', 'git update-index --skip-worktree README.md; echo work > README.md', 'README.md'],
  [
    'committed, HEAD on a branch not born',
    'echo work > new.txt; git add .; git commit -qm work; git checkout -q --orphan none; git rm -rfq .',
    '.git/refs/heads/main',
  ],
  [
    'a commit that only its log remembers',
    'echo work > new.txt; git add .; git commit -qm work; git reset -q --hard HEAD~1',
    '.git/logs/HEAD',
  ],
  [
    'in place of a submodule of its own that was never brought',
    'git update-index --add --cacheinfo 160000,$(git rev-parse HEAD),module; git commit -qm link; git push -q origin HEAD:link; mkdir module; echo work > module/new.txt',
    'module/new.txt',
  ],
  ['another file but for its case', 'git config core.ignoreCase true; echo work > readme.md', 'readme.md'],
  [
    'its files looked for elsewhere',
    'git worktree add -q ../../elsewhere; git config core.worktree $PWD/../../elsewhere; echo work > new.txt',
    'new.txt',
  ],
])('a clone in the worktree with work git does not show (%s): saved', async (_what, script, file) => {
  const { path } = await create()
  await space.git(path, 'clone', '--quiet', '--branch', 'main', space.origin, 'nested')
  await exec('sh', ['-c', script], { cwd: join(path, 'nested'), env: space.env })
  const before = await readFile(join(path, 'nested', file), 'utf8')
  expect(await remove()).toMatchObject({ salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  const restored = await engine.restore({ jobId: JOB })
  expect(await readFile(join(restored.path, 'nested', file), 'utf8')).toBe(before)
})

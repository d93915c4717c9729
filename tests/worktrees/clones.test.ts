import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, type TestContext, test } from 'vitest'
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

/** Create, work, remove, restore: the same bytes. `meanwhile`: what somebody does before the job ends. */
async function wholeLife(
  repoRoot: string,
  meanwhile: (path: string) => Promise<unknown> = async () => undefined,
): Promise<string> {
  const made = await engine.create({ jobId: JOB, repoRoot })
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
  const files = await snapshot(made.path)
  expect(Object.keys(files)).toContain('src/a.txt')
  await space.commit(made.path, 'src/committed.txt', 'committed')
  await writeFile(join(made.path, 'src/a.txt'), 'modified')
  await writeFile(join(made.path, 'untracked.txt'), 'untracked')
  const before = await snapshot(made.path)
  await meanwhile(made.path)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    reason: null,
    salvageRef: `refs/scrum4me/salvage/${JOB}/1`,
  })
  const restored = await engine.restore({ jobId: JOB })
  expect(await snapshot(restored.path)).toEqual(before)
  return restored.path
}

/** Skips what an older git does not know. */
async function needsGit(context: TestContext, least: number): Promise<void> {
  const [, minor] = /^git version 2\.(\d+)/.exec(await space.git(space.dir, 'version')) ?? []
  if (minor !== undefined && Number(minor) < least) context.skip(`git 2.${least} or later`)
}

test('worktrees that `git worktree repair` gave relative paths, as the user wants them', async (context) => {
  await needsGit(context, 48)
  await space.git(space.dir, 'config', '--global', 'worktree.useRelativePaths', 'true')
  await wholeLife(space.clone, () => space.git(space.clone, 'worktree', 'repair'))
  expect(await readFile(join(space.clone, '.git/config'), 'utf8')).toMatch(/relativeWorktrees = true/i)
  await engine.create({ jobId: 'job-after-that', repoRoot: space.clone })
  expect(await engine.remove({ jobId: 'job-after-that', branch: 'delete' })).toMatchObject({
    outcome: 'removed',
  })
})

test('refs in tables: a commit that only the history of HEAD knows is saved as well', async (context) => {
  await needsGit(context, 45)
  const tables = join(space.dir, 'tables')
  await space.git(space.dir, 'clone', '--quiet', '--ref-format=reftable', space.origin, tables)
  let detached = ''
  await wholeLife(tables, async (path) => {
    await space.git(path, 'stash', 'push', '--quiet', '--include-untracked')
    await space.git(path, 'switch', '--quiet', '--detach')
    detached = await space.commit(path, 'detached.txt', 'detached')
    await space.git(path, 'switch', '--quiet', '-')
    await space.git(path, 'stash', 'pop', '--quiet')
  })
  const saved = await space.git(tables, 'rev-list', `refs/scrum4me/salvage/${JOB}/1`)
  expect(saved.split('\n')).toContain(detached)
})

test('a clone of a group’s: a worktree whose registration somebody deleted is saved and removed', async () => {
  await space.git(space.clone, 'config', 'core.sharedRepository', 'group')
  await wholeLife(space.clone, async (path) => {
    await rm(join(space.clone, '.git/worktrees', JOB), { recursive: true })
    expect(existsSync(path)).toBe(true)
  })
  expect((await readdir(join(space.clone, '.git'))).filter((name) => name.includes('scrum4me-'))).toEqual([])
})

test('a bare clone', async () => {
  const bare = join(space.dir, 'bare.git')
  await space.git(space.dir, 'clone', '--quiet', '--bare', space.origin, bare)
  await wholeLife(bare)
})

test('a repository with SHA-256 ids', async () => {
  const seed = join(space.dir, 'seed256')
  await mkdir(seed)
  await space.git(seed, 'init', '--quiet', '--object-format=sha256', '-b', 'main')
  await space.commit(seed, 'src/a.txt', 'a\n')
  await wholeLife(seed)
})

test('a blobless partial clone, with files that are fetched when they are needed', async () => {
  await space.git(space.origin, 'config', 'uploadpack.allowFilter', 'true')
  const partial = join(space.dir, 'partial')
  await space.git(
    space.dir,
    'clone',
    '--quiet',
    '--no-checkout',
    '--filter=blob:none',
    `file://${space.origin}`,
    partial,
  )
  await wholeLife(partial)
})

test('a shallow clone', async () => {
  await space.pushFromElsewhere()
  const shallow = join(space.dir, 'shallow')
  await space.git(space.dir, 'clone', '--quiet', '--depth=1', `file://${space.origin}`, shallow)
  await space.pushFromElsewhere('main', 'later.txt')
  await wholeLife(shallow)
})

test.each([
  ['cone'],
  ['no-cone'],
])('a sparse checkout (%s): the worktree is as sparse as the clone', async (mode) => {
  await space.pushFromElsewhere('main', 'large/file.txt', 'large')
  await space.git(space.clone, 'pull', '--quiet')
  await space.git(space.clone, 'sparse-checkout', 'set', `--${mode}`, 'src')
  const restored = await wholeLife(space.clone)
  expect(existsSync(join(restored, 'large/file.txt'))).toBe(false)
  expect((await space.git(restored, 'status', '--porcelain')).split('\n').sort()).toEqual([
    '?? untracked.txt',
    'M src/a.txt',
  ])
})

test('a repo root that is a directory inside the clone, or a linked worktree', async () => {
  await wholeLife(join(space.clone, 'src'))
  const linked = join(space.dir, 'linked')
  await space.git(space.clone, 'worktree', 'add', '--quiet', '-b', 'linked', linked)
  const made = await engine.create({ jobId: 'job-linked', repoRoot: linked })
  expect(await space.git(linked, 'status', '--porcelain')).toBe('')
  expect(await engine.remove({ jobId: 'job-linked', branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  expect(existsSync(made.path)).toBe(false)
})

test('with submodules: left for the agent to initialise, and what it does there is saved', async () => {
  const library = join(space.dir, 'library.git')
  await space.git(space.dir, 'clone', '--quiet', '--bare', space.origin, library)
  const seed = join(space.dir, 'seed')
  const local = ['-c', 'protocol.file.allow=always']
  await space.git(seed, ...local, 'submodule', '--quiet', 'add', library, 'module')
  await space.git(seed, 'commit', '--quiet', '-m', 'a submodule')
  await space.git(seed, 'push', '--quiet', space.origin, 'HEAD:main')
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(await readdir(join(made.path, 'module'))).toEqual([])
  await space.git(made.path, ...local, 'submodule', '--quiet', 'update', '--init')
  // Nothing of its own in it: nothing to save.
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: null,
  })
  const again = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await space.git(again.path, ...local, 'submodule', '--quiet', 'update', '--init')
  const tip = await space.commit(join(again.path, 'module'), 'inside.txt', 'inside')
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  const restored = await engine.restore({ jobId: JOB, path: join(space.dir, 'deep/er/place') })
  expect(await space.git(join(restored.path, 'module'), 'rev-parse', 'HEAD')).toBe(tip)
  expect(await space.git(restored.path, 'status', '--porcelain')).toBe('M module')
})

test.for([
  ['files', 'size=64m,nr_inodes=5', 'nr_inodes=1000'],
  ['bytes', 'size=200k', 'size=64m'],
] as const)('a disk that has no room for more %s while a worktree is made: nothing of it is left', async ([
  _what,
  small,
  large,
], context) => {
  await writeFile(join(space.clone, 'large'), randomBytes(400_000))
  await space.git(space.clone, 'add', 'large')
  await space.commit(space.clone, 'new.txt', 'new')
  await space.git(space.clone, 'push', '--quiet', 'origin', 'HEAD:main')
  await mkdir(space.parent)
  try {
    await exec('mount', ['-t', 'tmpfs', '-o', small, 'tmpfs', space.parent])
  } catch {
    context.skip('mounting needs root')
  }
  try {
    await expect(engine.create({ jobId: JOB, repoRoot: space.clone })).rejects.toMatchObject({
      code: 'DISK_LOW',
    })
    expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
    expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
    expect(await readdir(join(space.state, 'worktrees/jobs'))).toEqual([])
    await engine.stop()
    expect((await readdir(space.parent)).filter((name) => !name.startsWith('.'))).toEqual([])
    await exec('mount', ['-o', `remount,${large}`, space.parent])
    engine = space.engine()
    await engine.create({ jobId: JOB, repoRoot: space.clone })
    await engine.stop()
  } finally {
    await exec('umount', ['--lazy', space.parent])
  }
})

test('the user’s own ssh command fetches what a partial clone lacks, at the checkout and at the restore', async () => {
  const ssh = join(space.dir, 'my-ssh')
  const log = join(space.dir, 'ssh.log')
  // The last argument is what would run on the other machine.
  await writeFile(ssh, `#!/bin/sh\necho "$*" >> ${log}\nfor command; do :; done\nexec sh -c "$command"\n`)
  await chmod(ssh, 0o755)
  await space.git(space.dir, 'config', '--global', 'core.sshCommand', ssh)
  await space.git(space.origin, 'config', 'uploadpack.allowFilter', 'true')
  await space.git(space.origin, 'config', 'uploadpack.allowAnySHA1InWant', 'true')
  const partial = join(space.dir, 'partial')
  const url = `ssh://example.invalid${space.origin}`
  await space.git(space.dir, 'clone', '--quiet', '--no-checkout', '--filter=blob:none', url, partial)
  const packs = join(partial, '.git/objects/pack')
  const cloned = new Set(await readdir(packs))

  const made = await engine.create({ jobId: JOB, repoRoot: partial })
  expect(made).toMatchObject({ baseFetched: true, warnings: [] })
  await writeFile(join(made.path, 'src/a.txt'), 'modified')
  const before = await snapshot(made.path)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  // What the checkout fetched is lacking again.
  const fetched = (await readdir(packs)).filter((name) => !cloned.has(name))
  expect(fetched.length).toBeGreaterThan(0)
  for (const name of fetched) await rm(join(packs, name), { force: true })
  await writeFile(log, '')
  const restored = await engine.restore({ jobId: JOB })
  expect(await snapshot(restored.path)).toEqual(before)
  expect(await readFile(log, 'utf8')).toContain('git-upload-pack')
})

import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { snapshot } from './support/snapshot.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob-hostile'
let space: Workspace
let engine: Worktrees
let canary: string
let trap: string

beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
  canary = join(space.dir, 'canary')
  trap = join(space.dir, 'trap.sh')
  // Says which trap fired; as a filter it passes its input on.
  await writeFile(trap, `#!/bin/sh\necho "$0 $*" >> ${canary}\nexec cat\n`)
  await chmod(trap, 0o755)
})
afterEach(() => space.close())

const config = (...args: string[]) => space.git(space.clone, 'config', ...args)

/** Everything that an engine does with a job, with work of every kind in it. */
async function wholeLife(): Promise<void> {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const neutral = [
    '-c',
    'core.hooksPath=/dev/null',
    '-c',
    'core.fsmonitor=false',
    '-c',
    'filter.trap.process=',
    '-c',
    'filter.trap.required=false',
  ]
  await writeFile(join(made.path, 'src/a.txt'), 'modified')
  await writeFile(join(made.path, 'work.trap'), 'work')
  await space.git(made.path, ...neutral, 'add', 'src/a.txt', 'work.trap')
  await writeFile(join(made.path, 'src/b.txt'), 'modified')
  await rm(canary, { force: true })
  await engine.headIsPushed(JOB, made.branch)
  await engine.list()
  const before = await snapshot(made.path)
  await engine.reconcile(
    async () => new Map([[JOB, { action: 'keep', reason: 'runs' }]]),
    [space.clone],
    'leave',
  )
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: `refs/scrum4me/salvage/${JOB}/1`,
  })
  const restored = await engine.restore({ jobId: JOB })
  expect(await snapshot(restored.path)).toEqual(before)
}

test('hooks, fsmonitor, filters and helpers of the clone never run', async () => {
  const hooks = join(space.clone, '.git/hooks')
  await mkdir(hooks, { recursive: true })
  const names = [
    'post-checkout',
    'reference-transaction',
    'post-index-change',
    'pre-commit',
    'post-commit',
    'post-merge',
    'pre-auto-gc',
  ]
  for (const name of names) await symlink(trap, join(hooks, name))
  await space.pushFromElsewhere('main', '.gitattributes', '*.trap filter=trap diff=trap merge=trap\n')
  await space.pushFromElsewhere('main', 'tracked.trap', 'tracked\n')
  await config('core.fsmonitor', trap)
  for (const key of ['clean', 'smudge', 'process']) await config(`filter.trap.${key}`, trap)
  await config('filter.trap.required', 'true')
  await config('diff.trap.command', trap)
  await config('diff.trap.textconv', trap)
  await config('merge.trap.driver', trap)
  for (const key of [
    'core.askPass',
    'core.editor',
    'core.pager',
    'core.sshCommand',
    'core.gitProxy',
    'diff.external',
    'gpg.program',
    'credential.helper',
    'core.alternateRefsCommand',
  ]) {
    await config(key, `!${trap}`)
  }
  await config('commit.gpgSign', 'true')
  await config('alias.fetch', `!${trap}`)
  // The trap works: a person's own git falls into it.
  await space.git(space.clone, 'status').catch(() => undefined)
  expect(existsSync(canary)).toBe(true)
  await rm(canary)
  const made = await engine.create({ jobId: 'cjob-first', repoRoot: space.clone })
  expect(existsSync(canary)).toBe(false)
  expect((await snapshot(made.path))['tracked.trap']).toBeDefined()
  await wholeLife()
  expect(existsSync(canary)).toBe(false)
})

test('a filter of the user’s own configuration does run at the checkout', async () => {
  await space.pushFromElsewhere('main', '.gitattributes', '*.big filter=large\n')
  await space.pushFromElsewhere('main', 'data.big', 'pointer\n')
  await space.git(space.clone, 'config', '--global', 'filter.large.smudge', 'sed s/pointer/content/')
  await space.git(space.clone, 'config', '--global', 'filter.large.clean', 'sed s/content/pointer/')
  // The clone's own must not take its place.
  await config('filter.large.smudge', trap)
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(await readFile(join(made.path, 'data.big'), 'utf8')).toBe('content\n')
  expect(existsSync(canary)).toBe(false)
})

test('a filter that is required but missing: the checkout succeeds, with a warning', async () => {
  await space.pushFromElsewhere('main', '.gitattributes', '*.big filter=large\n')
  await space.pushFromElsewhere('main', 'data.big', 'pointer\n')
  await space.git(space.clone, 'config', '--global', 'filter.large.smudge', 'no-such-program')
  await space.git(space.clone, 'config', '--global', 'filter.large.required', 'true')
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(made.warnings.join()).toContain('filter')
  expect(await space.git(space.dir, 'hash-object', '--no-filters', join(made.path, 'data.big'))).toBe(
    await space.git(made.path, 'rev-parse', 'HEAD:data.big'),
  )
})

test.each([
  ['ext', (fire: string) => `ext::sh -c ${fire}`],
  ['a leading dash', (fire: string) => `--upload-pack=${fire}`],
  ['a host with a dash', (fire: string) => `ssh://-oProxyCommand=${fire}/x`],
])('an origin that would run something (%s) is an origin out of reach', async (_name, url) => {
  await config('protocol.ext.allow', 'always')
  await config('remote.origin.url', url(`${trap}% `))
  await wholeLife()
  expect(existsSync(canary)).toBe(false)
})

test('an upload-pack of the clone’s choosing is not used', async () => {
  await config('remote.origin.uploadpack', trap)
  const news = await space.pushFromElsewhere()
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(made).toMatchObject({ baseFetched: true, baseSha: news })
  expect(existsSync(canary)).toBe(false)
})

test('a foreign version control system that the clone names is not asked', async () => {
  await config('protocol.ext.allow', 'always')
  await config('remote.origin.vcs', 'ext')
  await config('remote.origin.url', `${trap}% `)
  expect(await engine.create({ jobId: JOB, repoRoot: space.clone })).toMatchObject({ baseFetched: false })
  expect(existsSync(canary)).toBe(false)
})

test('a partial clone that names a program to fetch with is refused', async () => {
  await config('remote.origin.promisor', 'true')
  await config('remote.origin.uploadpack', trap)
  await expect(engine.create({ jobId: JOB, repoRoot: space.clone })).rejects.toMatchObject({
    code: 'WORKTREE_FAILED',
    permanent: true,
  })
  expect(existsSync(canary)).toBe(false)
})

test('a default branch with a leading dash', async () => {
  const tip = await space.git(space.origin, 'rev-parse', 'main')
  await space.git(space.origin, 'update-ref', 'refs/heads/--upload-pack=touch', tip)
  await space.git(space.origin, 'symbolic-ref', 'HEAD', 'refs/heads/--upload-pack=touch')
  await space.git(space.clone, 'remote', 'set-head', 'origin', '--delete')
  expect(await engine.create({ jobId: JOB, repoRoot: space.clone })).toMatchObject({
    baseSha: tip,
    baseFetched: true,
  })
})

test('symlinks out of the tree are saved as links, never followed', async () => {
  const outside = join(space.dir, 'outside')
  await mkdir(outside)
  await writeFile(join(outside, 'precious.txt'), 'precious')
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await rm(join(made.path, 'src'), { recursive: true })
  await symlink(outside, join(made.path, 'src'))
  await symlink(join(outside, 'precious.txt'), join(made.path, 'link.txt'))
  const before = await snapshot(made.path)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  expect(await snapshot(outside)).toHaveProperty(['precious.txt'])
  expect(await snapshot((await engine.restore({ jobId: JOB })).path)).toEqual(before)
  expect(await snapshot(outside)).toHaveProperty(['precious.txt'])
})

test('a worktree whose .git file and core.worktree were turned elsewhere', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const elsewhere = join(space.dir, 'elsewhere')
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'theirs.txt'), 'theirs')
  await writeFile(join(made.path, 'work.txt'), 'work')
  await space.git(made.path, 'config', 'extensions.worktreeConfig', 'true')
  await space.git(made.path, 'config', '--worktree', 'core.worktree', elsewhere)
  await writeFile(join(made.path, '.git'), `gitdir: ${join(space.clone, '.git')}\n`)
  const { outcome, salvageRef } = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toBe('removed')
  expect(await space.git(space.clone, 'show', `${salvageRef}:work.txt`)).toBe('work')
  expect(await snapshot(elsewhere)).toHaveProperty(['theirs.txt'])
})

import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { markerText } from '../../daemon/worktrees/marker.ts'
import type { Restored } from '../../daemon/worktrees/salvage/restore.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
let space: Workspace
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
})
afterEach(() => space.close())

/** Saved work put back, as it looks when the daemon was killed just before its last step. */
async function cutOff(): Promise<Restored> {
  const engine = space.engine()
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await space.commit(path, 'committed.txt', 'committed')
  await space.write(join(path, '.gitattributes'), '*.txt text eol=crlf\n')
  await writeFile(join(path, 'src/a.txt'), 'staged\r\n')
  await space.git(path, 'add', 'src/a.txt')
  await writeFile(join(path, 'src/a.txt'), 'modified\r\n')
  await writeFile(join(path, 'untracked.log'), 'ignored')
  await writeFile(join(path, 'untracked'), 'untracked')
  await rm(join(path, 'src/b.txt'))
  await engine.remove({ jobId: JOB, branch: 'delete' })
  const restored = await engine.restore({ jobId: JOB })
  await engine.stop()
  const reason = markerText({ instanceId: 'test-instance', kind: 'restore', id: JOB })
  await space.git(space.clone, 'worktree', 'lock', '--reason', reason, restored.path)
  return restored
}

/** What the next daemon does at its start. */
async function restart(): Promise<void> {
  const engine = space.engine()
  await engine.reconcile(async () => new Map(), [space.clone], 'leave')
  await engine.stop()
}

const commitAll = async (path: string) => {
  await space.git(path, 'add', '-A')
  await space.git(path, 'commit', '--quiet', '-m', 'all of it')
}
const branches = () => space.git(space.clone, 'branch', '--format=%(refname:short)')

test('cut off and untouched, or with files still missing or empty: taken away again', async () => {
  const { path } = await cutOff()
  await rm(join(path, 'untracked'))
  await writeFile(join(path, 'src/a.txt'), '')
  await rm(join(path, 'README.md'))
  await restart()
  expect(existsSync(path)).toBe(false)
  expect(await branches()).toBe('main')
  const again = await space.engine().restore({ jobId: JOB })
  expect(await readFile(join(again.path, 'untracked'), 'utf8')).toBe('untracked')
})

test.each<[string, (path: string) => Promise<unknown>, string, string]>([
  ['a new file', (path) => writeFile(join(path, 'mine'), 'mine'), 'mine', 'mine'],
  ['a changed file', (path) => writeFile(join(path, 'untracked'), 'changed'), 'untracked', 'changed'],
  ['a changed tracked file', (path) => writeFile(join(path, 'README.md'), 'mine'), 'README.md', 'mine'],
  ['a commit', (path) => space.commit(path, 'mine', 'mine'), 'mine', 'mine'],
  ['a commit of what came back', (path) => commitAll(path), 'untracked', 'untracked'],
])('a person found it first and made %s: it stays', async (_what, work, file, content) => {
  const { path, branch } = await cutOff()
  await work(path)
  const tip = await space.git(path, 'rev-parse', 'HEAD')
  await restart()
  await restart()
  expect(await readFile(join(path, file), 'utf8')).toBe(content)
  expect(await space.git(space.clone, 'rev-parse', branch)).toBe(tip)
  expect(await space.git(space.clone, 'worktree', 'list', '--porcelain')).not.toContain('locked')
})

test('a person found it first and went to a branch of theirs: that stays', async () => {
  const { path } = await cutOff()
  await space.git(path, 'switch', '--quiet', '--create', 'mine')
  await restart()
  expect(existsSync(path)).toBe(true)
  expect(await branches()).toContain('mine')
})

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { until } from '../support/until.ts'
import { snapshot } from './support/snapshot.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
const BRANCH = 'feat/job-abcd1234'
let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
})
afterEach(() => space.close())

const create = (jobId = JOB) => engine.create({ jobId, repoRoot: space.clone })
const remove = (jobId = JOB) => engine.remove({ jobId, branch: 'delete' })

test('a commit that only a log remembers, of the job’s branch or of HEAD, is saved before that goes', async () => {
  const { path } = await create()
  await space.git(path, 'switch', '--quiet', '--detach')
  const moved = await space.git(path, 'commit-tree', '-p', 'HEAD', '-m', 'moved away', 'HEAD^{tree}')
  for (const to of [moved, 'HEAD']) await space.git(path, 'branch', '--force', BRANCH, to)
  const left = await space.commit(path, 'left.txt', 'left behind')
  await space.git(path, 'switch', '--quiet', BRANCH)
  const saved = await space.git(space.clone, 'rev-list', (await remove()).salvageRef ?? '')
  expect(saved.split('\n')).toEqual(expect.arrayContaining([moved, left]))
})

test('what an unfinished rebase has put aside is saved with it', async () => {
  const { path } = await create()
  await space.git(path, 'switch', '--quiet', '-c', 'other')
  await space.commit(path, 'src/a.txt', 'theirs')
  await space.git(path, 'switch', '--quiet', BRANCH)
  await space.commit(path, 'src/a.txt', 'ours')
  await writeFile(join(path, 'src/b.txt'), 'put aside')
  await space.git(path, 'rebase', '--autostash', 'other').catch(() => undefined)
  const aside = join(await space.git(path, 'rev-parse', '--absolute-git-dir'), 'rebase-merge/autostash')
  const stash = (await readFile(aside, 'utf8')).trim()
  const saved = await space.git(space.clone, 'rev-list', (await remove()).salvageRef ?? '')
  expect(saved.split('\n')).toContain(stash)
})

test('deferred until the last process has left, then removed with what it did meanwhile', async () => {
  await engine.start()
  const { path } = await create()
  const process = spawn('sh', ['-c', 'read line; echo last words > last.txt; read line'], {
    cwd: path,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  onTestFinished(() => void process.kill('SIGKILL'))
  expect(await remove()).toMatchObject({ outcome: 'deferred' })
  expect(await engine.list()).toMatchObject([{ jobId: JOB, state: 'deferred' }])
  process.stdin.write('go\n')
  await until('the program has written', async () => existsSync(join(path, 'last.txt')))
  process.stdin.end()
  await until('no worktree is left', async () => (await engine.list()).length === 0)
  const [saved] = await engine.saved()
  expect(await space.git(space.clone, 'show', `${saved?.ref}:last.txt`)).toBe('last words')
  expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
})

test('somebody who looked in just as it was to go delays it by moments, not by a minute', async () => {
  const bin = join(space.dir, 'bin')
  const armed = join(space.dir, 'armed')
  await mkdir(bin)
  // The last thing that saving asks; what stands there then is seen afterwards.
  const script = [
    '#!/bin/sh',
    `case " $* " in *" --ignored "*) rm ${armed} 2>/dev/null && (cd ${space.parent}/${JOB} && exec sleep 2 </dev/null >/dev/null 2>&1) & esac`,
    `PATH=${process.env.PATH} exec git "$@"`,
  ]
  await writeFile(join(bin, 'git'), script.join('\n'), { mode: 0o755 })
  engine = space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
  await engine.start()
  const { path } = await create()
  const stands = spawn('sleep', ['600'], { cwd: path, stdio: 'ignore' })
  onTestFinished(() => void stands.kill('SIGKILL'))
  expect(await remove()).toMatchObject({ outcome: 'deferred', isOccupied: true })
  await writeFile(armed, '')
  stands.kill('SIGKILL')
  // Out of sight it may be for a moment before it is put back.
  await until('no worktree is left', async () => (await engine.list()).length === 0)
  expect(existsSync(armed)).toBe(false)
  expect(existsSync(path)).toBe(false)
})

test('saving changes nothing that a person or agent sees', async () => {
  const { path } = await create()
  await writeFile(join(path, 'src/a.txt'), 'staged')
  await space.git(path, 'add', '-A')
  await writeFile(join(path, 'src/a.txt'), 'modified')
  await space.git(path, 'stash', 'push', '--quiet')
  await writeFile(join(path, 'untracked.txt'), 'u')
  const admin = join(space.clone, '.git/worktrees', JOB)
  const seen = async () => ({
    files: await snapshot(path, /^$/),
    admin: await snapshot(admin, /^$/),
    refs: await space
      .git(space.clone, 'for-each-ref', '--exclude=refs/scrum4me')
      .catch(() =>
        space.git(space.clone, 'for-each-ref', 'refs/heads', 'refs/remotes', 'refs/stash', 'refs/tags'),
      ),
    stashes: await space.git(space.clone, 'stash', 'list'),
    config: await space.git(space.clone, 'config', '--local', '--list'),
  })
  const before = await seen()
  const process = spawn('sleep', ['600'], { cwd: path, stdio: 'ignore' })
  onTestFinished(() => void process.kill('SIGKILL'))
  expect(await remove()).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(await seen()).toEqual(before)
})

test('stashes: those made here are saved, a neighbour’s and a person’s are not', async () => {
  const stash = async (path: string, text: string) => {
    await writeFile(join(path, 'src/a.txt'), text)
    await space.git(path, 'stash', 'push', '--quiet', '-m', text)
  }
  const one = await create('job-one')
  const two = await create('job-two')
  await stash(one.path, 'of one')
  await stash(two.path, 'of two')
  await stash(space.clone, 'of a person')
  const { salvageRef } = await remove('job-one')
  const restored = await engine.restore({ jobId: 'job-one' })
  expect(restored.notes.filter((note) => note.includes('stash'))).toHaveLength(1)
  expect(restored.notes.join()).toContain('of one')
  expect((await space.git(space.clone, 'stash', 'list')).split('\n')).toHaveLength(3)
  expect(salvageRef).not.toBeNull()
})

test.each([
  ['a replacement', true],
  ['a graft', false],
])('%s that gives what is pushed the job’s commit for a parent: that is saved all the same', async (_what, isReplacement) => {
  const { path } = await create()
  const work = await space.commit(path, 'work.txt', 'work')
  const pushed = await space.git(path, 'rev-parse', 'origin/main')
  if (isReplacement) await space.git(path, 'replace', '--graft', 'origin/main', work)
  else await space.write(join(space.clone, '.git/info/grafts'), `${pushed} ${work}\n`)
  expect(await space.git(path, 'rev-list', 'origin/main')).toContain(work)
  expect(await engine.headIsPushed(JOB, 'main')).toBe(false)
  expect(await remove()).toMatchObject({ salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(await space.git(space.clone, 'branch', '--list', BRANCH)).toBe('')
})

test('attributes that the job changed: files that it did not touch come back as they were', async () => {
  await space.pushFromElsewhere('main', '.gitattributes', '*.md text eol=crlf\n')
  const { path } = await create()
  await writeFile(join(path, '.gitattributes'), '*.txt text eol=crlf\n')
  const before = await snapshot(path)
  expect(await readFile(join(path, 'README.md'), 'utf8')).toBe('hello\r\n')
  await remove()
  expect(await snapshot((await engine.restore({ jobId: JOB })).path)).toEqual(before)
})

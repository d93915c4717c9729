import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob-meanwhile'
let space: Workspace
let engine: Worktrees
let armed: string

beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  armed = join(space.dir, 'armed')
  const bin = join(space.dir, 'bin')
  await mkdir(bin)
  // Counting ignored files is the last thing that saving does before the worktree is renamed away.
  const script = [
    '#!/bin/sh',
    `case " $* " in *" --ignored "*) mv ${armed} ${armed}.now 2>/dev/null && (cd ${space.parent}/${JOB} && PATH=${process.env.PATH} sh ${armed}.now) >&2 ;; esac`,
    `PATH=${process.env.PATH} exec git "$@"`,
  ]
  await writeFile(join(bin, 'git'), script.join('\n'), { mode: 0o755 })
  engine = space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
})
afterEach(() => space.close())

const identity = '-c user.name=A -c user.email=a@example.org'

test.each([
  ['an untracked file', 'echo late > late.txt', 'late.txt', 'late'],
  ['an untracked file that was saved', 'echo late > untracked.txt', 'untracked.txt', 'late'],
  ['a tracked file that was as it should be', 'echo late > src/b.txt', 'src/b.txt', 'late'],
  ['a modified file, with as many bytes', 'printf MODIFIED > src/a.txt', 'src/a.txt', 'MODIFIED'],
  [
    'a file that was saved, with its size and time as before',
    'cp -p untracked.txt ../../old; printf UNTRACKED > untracked.txt; touch -r ../../old untracked.txt',
    'untracked.txt',
    'UNTRACKED',
  ],
  ['a file that git does not look at', 'echo late > README.md', 'README.md', 'late'],
  ['a file that was committed', 'echo late > committed.txt', 'committed.txt', 'late'],
  ['a commit', `echo late > late.txt; git add late.txt; git ${identity} commit -qm late`, 'late.txt', 'late'],
  ['a new mode', 'chmod +x src/b.txt', 'src/b.txt', 'b'],
])('%s, written after it was saved and before it goes, is saved', async (_what, script, file, content) => {
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await space.commit(path, 'committed.txt', 'committed')
  await writeFile(join(path, 'src/a.txt'), 'modified')
  await writeFile(join(path, 'untracked.txt'), 'untracked')
  await space.git(path, 'update-index', '--assume-unchanged', 'README.md')
  await writeFile(armed, script)
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(existsSync(armed)).toBe(false)
  expect(outcome).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/2` })
  expect(await space.git(space.clone, 'show', `${outcome.salvageRef}:${file}`)).toBe(content)
  const mode = await space.git(space.clone, 'ls-tree', outcome.salvageRef ?? '', file)
  expect(mode.startsWith('100755')).toBe(script.startsWith('chmod'))
})

test('what is put into the index alone, after that was saved and before it goes, is saved', async () => {
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await writeFile(join(path, 'src/a.txt'), 'modified')
  const staged = '$(printf staged | git hash-object -w --stdin)'
  await writeFile(armed, `git update-index --cacheinfo 100644,${staged},src/b.txt`)
  const { salvageRef } = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(salvageRef).toBe(`refs/scrum4me/salvage/${JOB}/2`)
  expect(await space.git(space.clone, 'show', `${salvageRef}^2:src/b.txt`)).toBe('staged')
})

test('work that begins in a clean worktree after it was looked at is saved', async () => {
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await writeFile(armed, 'mkdir deep; echo late > deep/late.txt')
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(await space.git(space.clone, 'show', `${outcome.salvageRef}:deep/late.txt`)).toBe('late')
  expect(existsSync(path)).toBe(false)
})

test.each([
  ['an edit in a clone', 'echo late > nested/README.md', 'nested/README.md'],
  ['an edit in a clone that was packed', 'echo late > packed/late.txt', 'packed/late.txt'],
  ['the first file of a submodule', 'echo late > empty/late.txt', 'empty/late.txt'],
  [
    'a commit in a clone',
    `unset GIT_DIR GIT_WORK_TREE; cd nested; git checkout -q -b late; echo late > late.txt; git add .; git ${identity} commit -qm late`,
    'nested/late.txt',
  ],
])('%s, written after all was looked at and before it goes, is saved', async (_what, script, file) => {
  await space.pushSubmodule('empty')
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await space.git(path, 'clone', '--quiet', space.origin, 'nested')
  await space.git(path, 'clone', '--quiet', space.origin, 'packed')
  await writeFile(join(path, 'packed/work.txt'), 'work')
  await writeFile(armed, script)
  const { salvageRef } = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(existsSync(armed)).toBe(false)
  expect(salvageRef).toBe(`refs/scrum4me/salvage/${JOB}/2`)
  const restored = await engine.restore({ jobId: JOB })
  expect(await readFile(join(restored.path, file), 'utf8')).toBe('late\n')
})

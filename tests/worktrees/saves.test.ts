import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
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

test('saved twice: both saves stay, the newest comes back, the older by its number', async () => {
  const first = await create()
  await writeFile(join(first.path, 'work.txt'), 'first')
  expect(await remove()).toMatchObject({ salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  const one = await space.git(space.clone, 'rev-parse', `refs/scrum4me/salvage/${JOB}/1`)
  const second = await create()
  await writeFile(join(second.path, 'work.txt'), 'second')
  expect(await remove()).toMatchObject({ salvageRef: `refs/scrum4me/salvage/${JOB}/2` })
  expect(await space.git(space.clone, 'rev-parse', `refs/scrum4me/salvage/${JOB}/1`)).toBe(one)

  expect(await engine.saved()).toMatchObject([
    {
      jobId: JOB,
      n: 1,
      branch: BRANCH,
      repoRoot: space.clone,
      restoreCommand: `worktrees restore ${JOB} --n 1`,
    },
    { jobId: JOB, n: 2, branch: BRANCH, restoreCommand: `worktrees restore ${JOB}` },
  ])
  const newest = await engine.restore({ jobId: JOB })
  expect(newest).toMatchObject({ branch: BRANCH, path: join(space.parent, `${JOB}-restored`) })
  expect(await space.git(newest.path, 'show', ':work.txt').catch(() => 'untracked')).toBe('untracked')
  expect((await snapshot(newest.path))['work.txt']).toMatch(/^- 6 /)
  const older = await engine.restore({ jobId: JOB, n: 1, path: join(space.dir, 'older') })
  expect(older).toMatchObject({ branch: `${BRANCH}-restored`, path: join(space.dir, 'older') })
  expect((await snapshot(older.path))['work.txt']).toMatch(/^- 5 /)
})

test('a lock that a killed git left on a ref: the save takes the next number, and dropping names it', async () => {
  const first = await create()
  await writeFile(join(first.path, 'work.txt'), 'first')
  const lockOf = (n: number) => join(space.clone, `.git/refs/scrum4me/salvage/${JOB}/${n}.lock`)
  await space.write(lockOf(1), '')
  expect(await remove()).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/2` })
  expect(await engine.saved()).toMatchObject([{ n: 2 }])

  await space.write(lockOf(2), '')
  await expect(engine.drop(JOB)).rejects.toMatchObject({
    code: 'WORKTREE_FAILED',
    remedy: expect.stringContaining(lockOf(2)),
  })
  expect(await engine.saved()).toMatchObject([{ n: 2 }])
})

test('a file of a saved ref that a power cut emptied: the save takes the next number', async () => {
  const first = await create()
  await writeFile(join(first.path, 'work.txt'), 'first')
  await space.write(join(space.clone, `.git/refs/scrum4me/salvage/${JOB}/1`), '')
  expect(await remove()).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/2` })
  const restored = await engine.restore({ jobId: JOB })
  expect((await snapshot(restored.path))['work.txt']).toMatch(/^- 5 /)
})

test('a restored worktree is the person’s: reconciliation leaves it alone', async () => {
  const made = await create()
  await writeFile(join(made.path, 'work.txt'), 'work')
  await remove()
  const restored = await engine.restore({ jobId: JOB })
  const result = await engine.reconcile(
    async (ids) =>
      new Map(
        ids
          .filter((id) => id === JOB)
          .map((id) => [id, { action: 'remove', branch: 'delete', reason: 'ended', ended: 'FAILED' }]),
      ),
    [space.clone],
    'remove ended',
  )
  expect(result.removed).toEqual([])
  expect(result.skipped).toMatchObject([{ path: restored.path }])
  expect(existsSync(join(restored.path, 'work.txt'))).toBe(true)
})

test('where something is already, nothing is restored and nothing is lost', async () => {
  const made = await create()
  await writeFile(join(made.path, 'work.txt'), 'work')
  await remove()
  const taken = join(space.dir, 'taken')
  await mkdir(taken)
  await writeFile(join(taken, 'theirs.txt'), 'theirs')
  await expect(engine.restore({ jobId: JOB, path: taken })).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await readdir(taken)).toEqual(['theirs.txt'])
  await expect(engine.restore({ jobId: 'unknown' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(engine.restore({ jobId: JOB, n: 7 })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
})

test('dropped is forgotten, of that job alone', async () => {
  for (const jobId of ['job-one', 'job-two']) {
    const { path } = await create(jobId)
    await writeFile(join(path, 'work.txt'), jobId)
    await remove(jobId)
  }
  expect(await engine.drop('job-one')).toEqual({ refs: ['refs/scrum4me/salvage/job-one/1'] })
  expect(await engine.saved()).toMatchObject([{ jobId: 'job-two' }])
  await expect(engine.drop('job-one')).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('work that stays the same is saved once, however often it is looked at', async () => {
  const { path } = await create()
  await writeFile(join(path, 'work.txt'), 'work')
  const process = spawn('sleep', ['600'], { cwd: path, stdio: 'ignore' })
  onTestFinished(() => void process.kill('SIGKILL'))
  expect(await remove()).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(await remove()).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  await writeFile(join(path, 'work.txt'), 'more work')
  expect(await remove()).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/2` })
  // The same files and commits, and yet not the same.
  await space.git(path, 'update-index', '--assume-unchanged', 'README.md')
  expect(await remove()).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/3` })
})

test('saves are counted, not sorted like words: after the ninth comes the tenth', async () => {
  const ref = `refs/scrum4me/salvage/${JOB}`
  const saveOf = async (text: string) => {
    await writeFile(join((await create()).path, 'work.txt'), text)
    return (await remove()).salvageRef
  }
  await saveOf('first')
  for (let n = 2; n < 10; n += 1) await space.git(space.clone, 'update-ref', `${ref}/${n}`, `${ref}/1`)
  expect(await saveOf('tenth')).toBe(`${ref}/10`)
  // As git keeps most refs after a while.
  await space.git(space.clone, 'pack-refs', '--all')
  expect(await saveOf('eleventh')).toBe(`${ref}/11`)
  const saved = await engine.saved()
  expect(saved.map(({ n }) => n)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11])
  expect(saved.filter(({ restoreCommand }) => !restoreCommand.includes('--n')).map(({ n }) => n)).toEqual([
    11,
  ])
  const { path } = await engine.restore({ jobId: JOB })
  expect(await readFile(join(path, 'work.txt'), 'utf8')).toBe('eleventh')
})

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

const exec = promisify(execFile)
const JOB = 'cjob0000000000000000abcd1234'
const LONG = process.env.SCRUM4ME_TEST_LONG === '1'
let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
})
afterEach(() => space.close())

const create = (jobId = JOB, repoRoot = space.clone) => engine.create({ jobId, repoRoot })
const remove = (jobId = JOB) => engine.remove({ jobId, branch: 'delete' })

test('more than the limit: all of it stays, and the reason says which setting', async () => {
  engine = space.engine({ salvageMaxBytes: 1_000 })
  const { path } = await create()
  await writeFile(join(path, 'large.bin'), Buffer.alloc(2_000))
  const outcome = await remove()
  expect(outcome).toMatchObject({ outcome: 'kept', salvageRef: null })
  expect(outcome.reason).toContain('2000 bytes')
  expect(existsSync(join(path, 'large.bin'))).toBe(true)
  expect(await engine.list()).toMatchObject([{ state: 'kept', reason: outcome.reason }])
  // Claimed again it is in use like any other.
  expect(await create()).toMatchObject({ reused: true })
  expect(await engine.list()).toMatchObject([{ state: 'active', reason: null }])
  await rm(join(path, 'large.bin'))
  expect(await remove()).toMatchObject({ outcome: 'removed' })
})

test('a clone that is gone: its worktree stays', async () => {
  const { path } = await create()
  await writeFile(join(path, 'work.txt'), 'work')
  await rm(space.clone, { recursive: true })
  await remove().catch(() => undefined)
  expect(existsSync(join(path, 'work.txt'))).toBe(true)
})

test('a disk that runs full while saving: nothing removed, nothing half saved; with room it works', {
  timeout: 300_000,
}, async (context) => {
  const disk = join(space.dir, 'small disk')
  await mkdir(disk)
  try {
    // Out of inodes with bytes to spare: no look beforehand sees it coming.
    await exec('mount', ['-t', 'tmpfs', '-o', 'size=64m,nr_inodes=600', 'tmpfs', disk])
  } catch {
    context.skip('mounting needs root')
  }
  try {
    const clone = join(disk, 'clone')
    await space.git(space.dir, 'clone', '--quiet', space.origin, clone)
    const { path } = await create(JOB, clone)
    for (const name of ['a', 'b', 'c', 'd']) await writeFile(join(path, name), `work ${name}`)
    await mkdir(join(disk, 'filling'))
    let files = 0
    for (; ; files += 1) {
      const isFull = await writeFile(join(disk, `filling/${files}`), '').then(
        () => false,
        () => true,
      )
      if (isFull) break
    }
    const outcomes: string[] = []
    while (outcomes.at(-1) !== 'removed') {
      const outcome = await remove()
      outcomes.push(outcome.outcome)
      if (outcome.outcome === 'removed') expect(outcome.salvageRef).toBe(`refs/scrum4me/salvage/${JOB}/1`)
      else {
        expect(outcome).toMatchObject({
          outcome: 'kept',
          salvageRef: null,
          reason: expect.stringMatching(/disk/),
        })
        expect(existsSync(join(path, 'a'))).toBe(true)
        expect(await space.git(clone, 'for-each-ref', 'refs/scrum4me')).toBe('')
        const scratch = await readdir(join(clone, '.git/worktrees', JOB))
        expect(scratch.filter((name) => name.startsWith('scrum4me-'))).toEqual([])
        for (let freed = 0; freed < (LONG ? 1 : 6); freed += 1) {
          files -= 1
          await rm(join(disk, `filling/${files}`))
        }
      }
    }
    expect(outcomes.length).toBeGreaterThan(4)
    expect(await space.git(clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
    await engine.stop()
  } finally {
    await exec('umount', ['--lazy', disk])
  }
})

test.each([
  'locked',
  'nested/locked',
])('a directory that nobody may read (%s): all of it is kept', async (name) => {
  const { path } = await create()
  const locked = join(path, name)
  if (name.startsWith('nested')) await space.git(path, 'clone', '--quiet', space.origin, 'nested')
  await mkdir(locked)
  await writeFile(join(locked, 'work.txt'), 'work')
  await chmod(locked, 0o000)
  if (process.getuid?.() === 0) engine = await engineWithoutOverride()
  expect(await remove()).toMatchObject({
    outcome: 'kept',
    reason: expect.stringMatching(/^a directory cannot be read: .*locked/),
  })
  await chmod(locked, 0o700)
  expect(await remove()).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
})

/** For root, too, git obeys modes then. */
async function engineWithoutOverride(): Promise<Worktrees> {
  const bin = join(space.dir, 'bin')
  await mkdir(bin)
  const git = `PATH=${process.env.PATH} exec setpriv --bounding-set -dac_override,-dac_read_search git "$@"`
  await writeFile(join(bin, 'git'), `#!/bin/sh\n${git}\n`, { mode: 0o755 })
  return space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
}

test.each(['logs/HEAD', 'modules'])('git’s own %s cannot be read: the worktree is kept', async (name) => {
  const { path } = await create()
  const file = join(await space.git(path, 'rev-parse', '--absolute-git-dir'), name)
  await rm(file, { force: true })
  await symlink(name.split('/').at(-1) ?? '', file)
  expect(await remove()).toMatchObject({ outcome: 'kept', reason: expect.stringContaining('ELOOP') })
})

test('a patch that is being applied is saved, however large', async () => {
  const { path } = await create()
  const large = join(await space.git(path, 'rev-parse', '--absolute-git-dir'), 'rebase-apply/0001')
  await mkdir(dirname(large))
  await writeFile(large, Buffer.alloc(3 << 20, 'patch\n'))
  engine = space.engine({ salvageMaxBytes: 2 << 20 })
  expect(await remove()).toMatchObject({ outcome: 'kept', reason: expect.stringContaining('bytes') })
  engine = space.engine()
  const { salvageRef } = await remove()
  expect(await space.git(space.clone, 'cat-file', '-s', `${salvageRef}^3:gitdir/rebase-apply/0001`)).toBe(
    String(3 << 20),
  )
})

test.each([
  ['git refuses the name of', 'mkdir .GIT; echo work > .GIT/work.txt', '.GIT/work.txt'],
  ['git takes for its own', 'echo work > git~1', 'git~1'],
  ['no path reaches', 'for i in $(seq 25); do mkdir $0; cd $0; done; echo work > work.txt', '0000'],
])('a file that %s: the worktree is kept', async (_what, script, named) => {
  const { path } = await create()
  await writeFile(join(path, 'other.txt'), 'work')
  await exec('sh', ['-c', script, '0'.repeat(200)], { cwd: path })
  const { reason, ...outcome } = await remove()
  expect(outcome).toMatchObject({ outcome: 'kept', salvageRef: null })
  expect(reason).toContain(named)
  expect(reason?.length).toBeLessThan(500)
  // Node cannot delete what no path reaches.
  await exec('rm', ['-rf', path])
})

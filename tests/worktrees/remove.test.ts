import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { silentLogger } from '../../daemon/logger.ts'
import { Disk } from '../../daemon/worktrees/disk.ts'
import { Git } from '../../daemon/worktrees/git/git.ts'
import { Layout } from '../../daemon/worktrees/layout.ts'
import { Trash } from '../../daemon/worktrees/trash.ts'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { until } from '../support/until.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
const BRANCH = 'feat/job-abcd1234'
let space: Workspace
let engine: Worktrees

beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
})
afterEach(() => space.close())

const branches = () => space.git(space.clone, 'branch', '--list', 'feat/*', '--format=%(refname:short)')

test('a clean worktree: path, registration and branch are gone, bytes are told', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'removed', salvageRef: null, path: made.path })
  expect(outcome.bytes).toBeGreaterThan(0)
  expect(existsSync(made.path)).toBe(false)
  expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
  expect(await branches()).toBe('')
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'none' })
})

test('done with its branch: the branch stays', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const tip = await space.commit(made.path, 'work.txt', 'work')
  await space.git(made.path, 'push', '--quiet', '-u', 'origin', BRANCH)
  expect(await engine.remove({ jobId: JOB, branch: 'keep', reportedBranch: BRANCH })).toMatchObject({
    outcome: 'removed',
    salvageRef: null,
  })
  expect(await space.git(space.clone, 'rev-parse', BRANCH)).toBe(tip)
})

test('done with its branch, on which nothing was committed: that stays as well', async () => {
  await engine.create({ jobId: JOB, repoRoot: space.clone })
  await engine.remove({ jobId: JOB, branch: 'keep', reportedBranch: BRANCH })
  expect(await branches()).toBe(BRANCH)
})

test('done with another branch: ours goes while it is empty, and stays with what was committed there', async () => {
  const done = { jobId: JOB, branch: 'keep', reportedBranch: 'feat/another' } as const
  await engine.create({ jobId: JOB, repoRoot: space.clone })
  await engine.remove(done)
  expect(await branches()).toBe('')
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const tip = await space.commit(made.path, 'work.txt', 'work')
  await space.git(made.path, 'push', '--quiet', 'origin', BRANCH)
  await engine.remove(done)
  expect(await space.git(space.clone, 'rev-parse', BRANCH)).toBe(tip)
})

test('a branch that a person has checked out elsewhere is not deleted under them', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await space.git(made.path, 'switch', '--quiet', '--detach')
  await space.git(space.clone, 'switch', '--quiet', BRANCH)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  expect(await branches()).toBe(BRANCH)
})

test('a worktree that somebody removed with git: the rest goes, and its commits are saved', async () => {
  const ended = async (branch: 'keep' | 'delete', work?: string) => {
    const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
    if (work !== undefined) await space.commit(made.path, work, work)
    await space.git(space.clone, 'worktree', 'remove', '--force', '--force', made.path)
    const reportedBranch = branch === 'keep' ? BRANCH : undefined
    const outcome = await engine.remove({ jobId: JOB, branch, reportedBranch })
    expect(existsSync(made.path)).toBe(false)
    expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
    return outcome
  }
  const saved = await ended('delete', 'work.txt')
  expect(saved).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(await branches()).toBe('')
  const back = await engine.restore({ jobId: JOB })
  expect(await readFile(join(back.path, 'work.txt'), 'utf8')).toBe('work.txt')
  await space.git(space.clone, 'worktree', 'remove', '--force', '--force', back.path)
  await space.git(space.clone, 'branch', '-D', BRANCH)
  expect(await ended('keep')).toMatchObject({ outcome: 'removed', salvageRef: null })
  expect(await branches()).toBe(BRANCH)
})

test('while a process stands in it, it stays', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await mkdir(join(made.path, 'deep'))
  const process = spawn('sleep', ['600'], { cwd: join(made.path, 'deep'), stdio: 'ignore' })
  try {
    const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
    expect(outcome).toMatchObject({ outcome: 'deferred' })
    expect(outcome.reason).toContain(String(process.pid))
    expect(existsSync(made.path)).toBe(true)
  } finally {
    process.kill('SIGKILL')
  }
})

test('a job that was asked to go and is claimed again keeps its worktree', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const process = spawn('sleep', ['600'], { cwd: made.path, stdio: 'ignore' })
  try {
    await engine.remove({ jobId: JOB, branch: 'delete' })
    expect(await engine.create({ jobId: JOB, repoRoot: space.clone })).toMatchObject({ reused: true })
  } finally {
    process.kill('SIGKILL')
  }
})

/** The engine with a git that does something else for a command; the shell's `case` pattern is of all its arguments. */
async function withGitThat(pattern: string, instead: string): Promise<void> {
  const bin = join(space.dir, 'bin')
  const script = [
    '#!/bin/sh',
    `case " $* " in ${pattern}) ${instead};; esac`,
    `PATH='${process.env.PATH}' exec git "$@"`,
  ]
  await space.write(join(bin, 'git'), script.join('\n'))
  await chmod(join(bin, 'git'), 0o755)
  await engine.stop()
  engine = space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
}

test('a changed file that git cannot look at is not taken for unchanged', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await writeFile(join(made.path, 'src/b.txt'), 'work')
  // As git does when it may not look: it complains, leaves the file out and succeeds.
  await withGitThat('*" diff-files "*', 'echo "src/b.txt: Permission denied" >&2; exit 0')
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'kept', salvageRef: null })
  expect(outcome.reason).toContain('src/b.txt: Permission denied')
  expect(existsSync(join(made.path, 'src/b.txt'))).toBe(true)
})

test('nor is one in a clone inside of it', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const inside = join(made.path, 'inside')
  await space.git(space.dir, 'clone', '-q', space.origin, inside)
  await writeFile(join(inside, 'src/b.txt'), 'work')
  await withGitThat('*" status "*', 'echo "src/b.txt: Input/output error" >&2; exit 0')
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'kept', salvageRef: null })
  expect(outcome.reason).toContain('src/b.txt: Input/output error')
  expect(existsSync(join(inside, 'src/b.txt'))).toBe(true)
})

test('a removal that fails after the save tells where the work is', async () => {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await writeFile(join(made.path, 'src/b.txt'), 'work')
  await withGitThat('*" worktree list "*', 'echo "fatal: no list today" >&2; exit 128')
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'deferred', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(outcome.reason).toContain('no list today')
})

/** As a daemon leaves it that is killed before it has noted that the worktree is made. */
async function halfMade(): Promise<string> {
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  await engine.stop()
  const file = join(space.state, 'worktrees/jobs', `${JOB}.json`)
  const record = JSON.parse(await readFile(file, 'utf8'))
  await writeFile(file, JSON.stringify({ ...record, phase: 'creating', fromSpare: true }))
  return made.path
}

test('a half-made worktree is taken back at the next start; what somebody left in its spare is saved first', async () => {
  await writeFile(join(await halfMade(), 'work.txt'), 'work')
  engine = space.engine()
  await engine.start()
  await until('it is taken back', async () => (await engine.list()).length === 0)
  expect(await branches()).toBe('')
  expect(await space.git(space.clone, 'show', `refs/scrum4me/salvage/${JOB}/1:work.txt`)).toBe('work')
})

test('a half-made worktree stays while what somebody left in its spare cannot be saved, and a branch in use does', async () => {
  const path = await halfMade()
  await writeFile(join(path, 'large.txt'), 'more than ten bytes')
  engine = space.engine({ salvageMaxBytes: 10 })
  await engine.start()
  const refused = await engine.create({ jobId: JOB, repoRoot: space.clone }).catch((error: Error) => error)
  expect(refused).toBeInstanceOf(Error)
  expect(existsSync(join(path, 'large.txt'))).toBe(true)
  await engine.stop()

  await space.git(path, 'switch', '--quiet', '--detach')
  await space.git(space.clone, 'switch', '--quiet', BRANCH)
  engine = space.engine()
  await engine.start()
  await until('it is taken back', async () => (await engine.list()).length === 0)
  expect(await space.git(space.clone, 'show', `refs/scrum4me/salvage/${JOB}/1:large.txt`)).toMatch(/^more/)
  expect(await branches()).toBe(BRANCH)
})

test('of what an earlier run left in the trash, that stays which a removal may have to put back', async () => {
  const { path } = await engine.create({ jobId: JOB, repoRoot: space.clone })
  const layout = new Layout(space.parent)
  const trash = new Trash(
    layout,
    new Disk(new Git({ env: process.env }), { PATH: process.env.PATH ?? '' }),
    'test-instance',
    silentLogger,
  )
  const place = (await trash.move(path)) ?? ''
  const other = await trash.place(path)
  await mkdir(other)
  await trash.empty((one) => one === place, new AbortController().signal)
  expect([existsSync(place), existsSync(other)]).toEqual([true, false])
})

test('records that could not be read for a moment are read by whoever asks next', async () => {
  const directory = join(space.state, 'worktrees/jobs')
  await mkdir(join(space.state, 'worktrees'), { recursive: true })
  await writeFile(directory, 'a file in the way')
  await engine.start()
  await expect(engine.create({ jobId: JOB, repoRoot: space.clone })).rejects.toThrow()
  await rm(directory)
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(existsSync(made.path)).toBe(true)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
})

import { chmod, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { DaemonError } from '../../daemon/errors.ts'
import { WorktreeError } from '../../daemon/worktrees/worktree-error.ts'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { until } from '../support/until.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
let space: Workspace
let engine: Worktrees

beforeEach(async () => {
  space = await Workspace.open()
  engine = space.engine()
})
afterEach(() => space.close())

const create = (jobId = JOB, repoRoot = space.clone) => engine.create({ jobId, repoRoot })
const refusal = (promise: Promise<unknown>) =>
  promise.then(
    () => Promise.reject(new Error('it succeeded')),
    (error: unknown) => {
      if (error instanceof DaemonError) return error
      throw error
    },
  )

test('a worktree on its own branch, from what origin has now', async () => {
  await space.makeClone()
  const news = await space.pushFromElsewhere()
  const made = await create()
  expect(made).toEqual({
    path: join(space.parent, JOB),
    branch: 'feat/job-abcd1234',
    baseSha: news,
    baseFetched: true,
    warnings: [],
    reused: false,
  })
  expect(await space.git(made.path, 'rev-parse', 'HEAD')).toBe(news)
  expect(await space.git(made.path, 'symbolic-ref', 'HEAD')).toBe('refs/heads/feat/job-abcd1234')
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
  expect(await space.git(space.clone, 'status', '--porcelain')).toBe('')
  const list = await space.git(space.clone, 'worktree', 'list', '--porcelain')
  expect(list).toContain(`locked scrum4me inst=test-instance job=${JOB}`)
})

test('asked twice, also by the next daemon, it is the same worktree', async () => {
  await space.makeClone()
  const made = await create()
  await space.write(join(made.path, 'work.txt'), 'mine')
  expect(await create()).toEqual({ ...made, reused: true })
  await engine.stop()
  engine = space.engine()
  expect(await create()).toEqual({ ...made, reused: true })
  expect(await readdir(made.path)).toContain('work.txt')
})

test('many at once cost one fetch and get different branches', async () => {
  await space.makeClone()
  const log = join(space.dir, 'fetches.log')
  await space.git(space.dir, 'config', '--global', 'trace2.eventTarget', log)
  const jobs = Array.from({ length: 8 }, (_, index) => `cjob-parallel-000${index}`)
  const made = await Promise.all(jobs.map((jobId) => create(jobId)))
  expect(new Set(made.map(({ branch }) => branch)).size).toBe(8)
  const fetches = (await readFile(log, 'utf8'))
    .split('\n')
    .filter((line) => /"cmd_name".*"name":"fetch"/.test(line))
  expect(fetches).toHaveLength(1)
})

test('a job that comes while a fetch runs has one of its own: its commit may be younger', async () => {
  await space.makeClone()
  const log = join(space.dir, 'fetches.log')
  await space.git(space.dir, 'config', '--global', 'trace2.eventTarget', log)
  const fetches = async () =>
    (await readFile(log, 'utf8').catch(() => ''))
      .split('\n')
      .filter((line) => /"cmd_name".*"name":"fetch"/.test(line)).length
  const first = create('cjob-first-00000001')
  await until('the fetch has begun', async () => (await fetches()) === 1)
  await Promise.all([first, create('cjob-second-0000002')])
  expect(await fetches()).toBe(2)
  await create('cjob-third-00000003')
  expect(await fetches()).toBe(3)
})

test('a branch that exists is never reused, and the answer names who has it', async () => {
  await space.makeClone()
  await space.git(space.clone, 'switch', '--quiet', '-c', 'feat/job-abcd1234')
  const tip = await space.commit(space.clone, 'person.txt', 'mine')
  const made = await create()
  expect(made.branch).toMatch(/^feat\/job-abcd1234-\d{14}$/)
  expect(made.warnings.join()).toContain(space.clone)
  expect(await space.git(space.clone, 'rev-parse', 'feat/job-abcd1234')).toBe(tip)
})

test('jobs whose ids end alike get different branches in the same second', async () => {
  await space.makeClone()
  const made = await Promise.all(['a-00000000', 'b-00000000', 'c-00000000'].map((jobId) => create(jobId)))
  expect(new Set(made.map(({ branch }) => branch)).size).toBe(3)
})

test.each(['trunk', 'master'])('the default branch may be %s', async (branch) => {
  await space.makeClone(branch)
  const news = await space.pushFromElsewhere(branch)
  expect(await create()).toMatchObject({ baseSha: news, baseFetched: true })
})

test('origin/HEAD that names a branch that is gone', async () => {
  await space.makeClone('old')
  await space.git(space.origin, 'branch', '-m', 'old', 'new')
  await space.git(space.origin, 'symbolic-ref', 'HEAD', 'refs/heads/new')
  const news = await space.pushFromElsewhere('new')
  expect(await create()).toMatchObject({ baseSha: news, baseFetched: true })
})

test('no origin/HEAD: origin is asked', async () => {
  await space.makeClone('trunk')
  await space.git(space.clone, 'remote', 'set-head', 'origin', '--delete')
  await space.git(space.clone, 'push', '--quiet', 'origin', 'HEAD:refs/heads/aaa')
  expect(await create()).toMatchObject({ baseFetched: true })
})

test('offline: the last fetched tip, and the answer says so', async () => {
  await space.makeClone()
  const last = await space.git(space.clone, 'rev-parse', 'origin/main')
  await space.git(space.clone, 'remote', 'set-url', 'origin', join(space.dir, 'nowhere'))
  await space.commit(space.clone, 'local.txt', 'only here')
  const made = await create()
  expect(made).toMatchObject({ baseSha: last, baseFetched: false })
  expect(made.warnings.join()).toMatch(/could not be fetched.*nowhere/)
})

test('without origin: the clone’s own default branch', async () => {
  await space.makeClone('trunk')
  await space.git(space.clone, 'remote', 'remove', 'origin')
  const tip = await space.git(space.clone, 'rev-parse', 'trunk')
  const made = await create()
  expect(made).toMatchObject({ baseSha: tip, baseFetched: false })
  expect(made.warnings.join()).toContain('no remote named origin')
})

test('a bare clone', async () => {
  await space.makeClone()
  const bare = join(space.dir, 'bare.git')
  await space.git(space.dir, 'clone', '--quiet', '--bare', space.origin, bare)
  const news = await space.pushFromElsewhere()
  expect(await create(JOB, bare)).toMatchObject({ baseSha: news, baseFetched: true })
})

test('a clone whose path has spaces and letters beyond ASCII', async () => {
  await space.makeClone()
  const odd = join(space.dir, 'mein Gerät — 作業')
  await space.git(space.dir, 'clone', '--quiet', space.origin, odd)
  engine = space.engine({ parentDir: join(space.dir, 'Wörk trees') })
  const made = await create(JOB, odd)
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
})

test('what cannot work is refused, is permanent, and leaves nothing', async () => {
  await mkdir(space.clone)
  const notARepository = await refusal(create())
  expect(notARepository).toMatchObject({ code: 'WORKTREE_FAILED', permanent: true })
  await space.git(space.clone, 'init', '--quiet')
  const noCommit = await refusal(create())
  expect(noCommit).toMatchObject({ code: 'WORKTREE_FAILED', permanent: true })
  expect(noCommit.message).toContain('no commit')
  expect(await readdir(space.parent)).toEqual([])
})

test('a name in the way: the error names it', async () => {
  await space.makeClone()
  await space.git(space.clone, 'branch', 'feat')
  const error = await refusal(create())
  expect(error).toBeInstanceOf(WorktreeError)
  expect(error.message).toMatch(/^The branch feat is in the way of feat\/job-\S+$/)
  expect(await readdir(space.parent)).toEqual([])
  expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
})

test('a directory that is there already is not touched', async () => {
  await space.makeClone()
  await mkdir(join(space.parent, JOB), { recursive: true })
  await writeFile(join(space.parent, JOB, 'theirs'), '')
  expect(await refusal(create())).toMatchObject({ code: 'WORKTREE_FAILED' })
  expect(await readdir(join(space.parent, JOB))).toEqual(['theirs'])
})

test('an id that is no id never becomes a path', async () => {
  await space.makeClone()
  for (const jobId of ['../x', '', 'a/b', 'x'.repeat(65), '.git', 'a\nb']) {
    expect(await refusal(create(jobId))).toMatchObject({ code: 'VALIDATION_ERROR' })
  }
})

test('below the floor of free space nothing is made', async () => {
  await space.makeClone()
  engine = space.engine({ minFreeDiskBytes: Number.MAX_SAFE_INTEGER })
  expect(await refusal(create())).toMatchObject({ code: 'DISK_LOW' })
  expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
})

test('called off in the middle, nothing is left', async () => {
  await space.makeClone()
  const called = new AbortController()
  const made = engine.create({ jobId: JOB, repoRoot: space.clone, signal: called.signal })
  const list = () => readdir(space.parent).catch((): string[] => [])
  while (!(await list()).includes(JOB)) await new Promise(setImmediate)
  called.abort()
  await made.then(
    () => undefined,
    () => undefined,
  )
  if ((await engine.find(JOB)) !== null) return
  expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
  expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
})

test('a worktree directory that cannot be used: the engine starts, and each create says so until it can', async () => {
  await space.makeClone()
  await writeFile(space.parent, 'a file where the directory should be')
  await engine.start()
  const refused = await refusal(create())
  expect(refused).toMatchObject({ code: 'WORKTREE_FAILED', permanent: true })
  expect(refused.message).toContain(space.parent)
  await rm(space.parent)
  await create()
  expect(await space.git(join(space.parent, JOB), 'status', '--porcelain')).toBe('')
})

test('when taking back fails as well, the answer is what failed first, and the next start takes it back', async () => {
  await space.makeClone()
  const bin = join(space.dir, 'bin')
  const away = join(space.dir, 'clone moved away')
  await mkdir(bin)
  const script = [
    '#!/bin/sh',
    `case " $* " in *" reset --hard "*) mv '${space.clone}' '${away}'; echo 'fatal: the first failure' >&2; exit 1;; esac`,
    `PATH=${process.env.PATH} exec git "$@"`,
  ]
  await writeFile(join(bin, 'git'), script.join('\n'))
  await chmod(join(bin, 'git'), 0o755)
  const failing = space.engine({ env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
  const refused = await refusal(failing.create({ jobId: JOB, repoRoot: space.clone }))
  expect(refused.message).toContain('the first failure')
  await failing.stop()
  await rename(away, space.clone)
  await engine.start()
  await until(
    'the record is gone',
    async () => (await readdir(join(space.state, 'worktrees/jobs'))).length === 0,
  )
  expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(JOB)
  expect(await space.git(space.clone, 'branch', '--list', 'feat/*')).toBe('')
})

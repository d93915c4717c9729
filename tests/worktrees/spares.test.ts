import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { until } from '../support/until.ts'
import { spareReady as ready } from './support/spare-ready.ts'
import { Workspace } from './support/workspace.ts'

let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  engine = space.engine({ spares: true })
  await engine.start()
})
afterEach(() => space.close())

const create = (jobId: string) => engine.create({ jobId, repoRoot: space.clone })
const spareDirectories = () => readdir(join(space.parent, '.spare')).catch((): string[] => [])
const spareReady = () => ready(space)

test('the second job takes the spare of the first: same inode, right branch, clean', async () => {
  await create('job-first')
  const spare = await spareReady()
  const { ino } = await stat(join(spare, 'README.md'))
  const list = await space.git(space.clone, 'worktree', 'list', '--porcelain')
  expect(list).toMatch(/locked scrum4me inst=test-instance spare=spare-[0-9a-f]+ \(kept ready/)
  const made = await create('job-second')
  expect(existsSync(spare)).toBe(false)
  expect((await stat(join(made.path, 'README.md'))).ino).toBe(ino)
  expect(await space.git(made.path, 'symbolic-ref', '--short', 'HEAD')).toBe(made.branch)
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
  const after = await space.git(space.clone, 'worktree', 'list', '--porcelain')
  expect(after).toContain('locked scrum4me inst=test-instance job=job-second')
  await writeFile(join(made.path, 'work.txt'), 'work')
  expect(await engine.remove({ jobId: 'job-second', branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: 'refs/scrum4me/salvage/job-second/1',
  })
})

test('origin moved on since: the spare is brought there', async () => {
  await create('job-first')
  const spare = await spareReady()
  const news = await space.pushFromElsewhere('main', 'src/a.txt', 'news\n')
  const made = await create('job-second')
  expect(made).toMatchObject({ baseSha: news, baseFetched: true })
  expect(existsSync(spare)).toBe(false)
  expect(await readFile(join(made.path, 'src/a.txt'), 'utf8')).toBe('news\n')
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
})

test('a spare with a relative path in its .git, which would lead elsewhere after the rename, is not used', async () => {
  await create('job-first')
  const spare = await spareReady()
  const link = join(spare, '.git')
  const admin = (await readFile(link, 'utf8')).slice('gitdir: '.length).trimEnd()
  await writeFile(link, `gitdir: ${relative(spare, admin)}\n`)
  const made = await create('job-second')
  expect(await space.git(made.path, 'symbolic-ref', '--short', 'HEAD')).toBe(made.branch)
})

test('many jobs at once: one takes the spare, the others a plain worktree', async () => {
  await create('job-first')
  await spareReady()
  const made = await Promise.all(['job-a', 'job-b', 'job-c'].map(create))
  for (const { path, branch } of made) {
    expect(await space.git(path, 'symbolic-ref', '--short', 'HEAD')).toBe(branch)
    expect(await space.git(path, 'status', '--porcelain')).toBe('')
  }
})

test('settings that change what a checkout looks like make a spare unfit', async () => {
  await create('job-first')
  const spare = await spareReady()
  await space.git(space.clone, 'config', 'core.eol', 'crlf')
  await space.pushFromElsewhere('main', '.gitattributes', '* text=auto\n')
  const made = await create('job-second')
  expect(await readFile(join(made.path, 'README.md'), 'utf8')).toBe('hello\r\n')
  await until('the spare is gone', async () => !existsSync(spare))
})

test('a spare outlives a restart, and work that somebody put into it is saved when it goes', async () => {
  await create('job-first')
  const spare = await spareReady()
  await engine.stop()
  engine = space.engine({ spares: true })
  await engine.start()
  await create('job-second')
  expect(existsSync(spare)).toBe(false)
  const another = await spareReady()
  await writeFile(join(another, 'odd.txt'), 'somebody worked here')
  await engine.stop()
  engine = space.engine({ spares: false })
  await engine.start()
  await until('no spare is left', async () => (await spareDirectories()).length === 0)
  await until(
    'its registration is gone',
    async () => !(await space.git(space.clone, 'worktree', 'list')).includes('.spare'),
  )
  const [saved] = await engine.saved()
  expect(await space.git(space.clone, 'show', `${saved?.ref}:odd.txt`)).toBe('somebody worked here')
})

test('somebody commits in the spare while origin is asked for its default branch: the work is theirs, not the job’s', async () => {
  await create('job-first')
  const spare = await spareReady()
  await space.git(space.clone, 'remote', 'set-head', 'origin', '--delete')
  await engine.stop()
  const bin = join(space.dir, 'bin')
  const asking = join(space.dir, 'asking')
  const answered = join(space.dir, 'answered')
  await mkdir(bin)
  const script = [
    '#!/bin/sh',
    `case " $* " in *" ls-remote "*) touch ${asking}; until test -e ${answered}; do sleep 0.05; done;; esac`,
    `PATH=${process.env.PATH} exec git "$@"`,
  ]
  await writeFile(join(bin, 'git'), script.join('\n'), { mode: 0o755 })
  engine = space.engine({ spares: true, env: { PATH: `${bin}:${process.env.PATH}`, HOME: space.env.HOME } })
  await engine.start()
  const creating = create('job-second')
  await until('origin is asked', () => existsSync(asking))
  await writeFile(join(spare, 'theirs.txt'), 'theirs')
  await space.git(spare, 'add', '.')
  await space.git(spare, 'commit', '--quiet', '-m', 'theirs')
  await writeFile(answered, '')
  const made = await creating
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
  expect(existsSync(join(made.path, 'theirs.txt'))).toBe(false)
  const saved = await until('it is saved', async () => (await engine.saved())[0])
  expect(saved.jobId).toMatch(/^spare-/)
  expect(await space.git(space.clone, 'show', `${saved.ref}:theirs.txt`)).toBe('theirs')
})

test('no room, no spare; and switched off, none', async () => {
  await engine.stop()
  for (const options of [{ spares: false }, { spares: true, minFreeDiskBytes: 2 ** 30 }]) {
    const quick = space.engine(options)
    await quick.start()
    await quick.create({ jobId: `job-${options.spares}`, repoRoot: space.clone }).catch(() => undefined)
    await quick.stop()
  }
  expect(await spareDirectories()).toEqual([])
})

test('the spare is not in the way: not listed, not reconciled, pruned by nobody', async () => {
  await create('job-first')
  const spare = await spareReady()
  expect((await engine.list()).map(({ jobId }) => jobId)).toEqual(['job-first'])
  await engine.reconcile(
    async (ids) => {
      expect(ids).toEqual(['job-first'])
      return new Map()
    },
    [space.clone],
    'remove ended',
  )
  await space.git(space.clone, 'worktree', 'prune', '--expire=now')
  await space.git(space.clone, 'gc', '--quiet', '--prune=now')
  expect(existsSync(join(spare, 'README.md'))).toBe(true)
  await mkdir(join(space.clone, 'anything'))
  expect(await space.git(space.clone, 'status', '--porcelain')).toBe('')
})

test('a create that fails, or is called off, after it reserved the spare gives it back', async () => {
  await create('job-first')
  const spare = await spareReady()
  const { ino } = await stat(join(spare, 'README.md'))
  // In the way of the branch, which is made when the spare is reserved already.
  await space.git(space.clone, 'branch', 'feat/job-b-second/in-the-way')
  await expect(create('job-second')).rejects.toMatchObject({ code: 'WORKTREE_FAILED' })
  expect(existsSync(spare)).toBe(true)
  await space.git(space.clone, 'branch', '-D', '-q', 'feat/job-b-second/in-the-way')
  const made = await create('job-second')
  expect((await stat(join(made.path, 'README.md'))).ino).toBe(ino)
})

test('below the floor spares are given up, what somebody put into them is saved', async () => {
  await create('job-first')
  const spare = await spareReady()
  await writeFile(join(spare, 'odd.txt'), 'somebody worked here')
  await engine.stop()
  engine = space.engine({ spares: true, minFreeDiskBytes: 2 ** 60 })
  await engine.start()
  await engine.freeDiskBytes()
  await until('the spare is gone', async () => !existsSync(spare))
  await until(
    'its registration is gone',
    async () => !(await space.git(space.clone, 'worktree', 'list')).includes('.spare'),
  )
  const saved = await until('its work is saved', async () => (await engine.saved())[0])
  expect(await space.git(space.clone, 'show', `${saved.ref}:odd.txt`)).toBe('somebody worked here')
  await expect(create('job-second')).rejects.toMatchObject({ code: 'DISK_LOW' })
})

test('the worktree directory was unusable at the start: once it can be used, spares are made again', async () => {
  await engine.stop()
  await rm(space.parent, { recursive: true, force: true })
  await writeFile(space.parent, 'a file where the directory should be')
  engine = space.engine({ spares: true })
  await engine.start()
  await expect(create('job-first')).rejects.toMatchObject({ code: 'WORKTREE_FAILED' })
  await rm(space.parent)
  await create('job-first')
  await spareReady()
})

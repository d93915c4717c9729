import { lstat, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readProcess } from '../../daemon/wire/read-process.ts'
import type { PreparePlan } from '../../daemon/worktrees/prepare.ts'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'job-prepared'
let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
  await writeFile(join(space.clone, '.env'), 'PORT=1\n')
  await mkdir(join(space.clone, 'node_modules/thing'), { recursive: true })
  await writeFile(join(space.clone, 'node_modules/thing/index.js'), '1\n')
})
afterEach(() => space.close())

const create = (plan: Partial<PreparePlan>) =>
  engine.create({
    jobId: JOB,
    repoRoot: space.clone,
    prepare: { copy: [], link: [], command: null, timeoutSeconds: 30, ...plan },
  })

test('copies, links and a command', async () => {
  const made = await create({
    copy: ['.env'],
    link: ['node_modules/'],
    command: ['sh', '-c', 'cat .env > ignored.log; env > environment.log'],
  })
  expect(made.warnings).toEqual([])
  expect(await readFile(join(made.path, '.env'), 'utf8')).toBe('PORT=1\n')
  expect(await readlink(join(made.path, 'node_modules'))).toBe(join(space.clone, 'node_modules'))
  expect(await readFile(join(made.path, 'ignored.log'), 'utf8')).toBe('PORT=1\n')
  const names = (await readFile(join(made.path, 'environment.log'), 'utf8')).match(/^\w+/gm)
  expect(names).not.toContain('DATABASE_URL')
})

test('what was only brought along is no work; once changed it is', async () => {
  const plan = { copy: ['.env'], link: ['node_modules'] }
  await create(plan)
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: null,
  })
  expect(await readFile(join(space.clone, 'node_modules/thing/index.js'), 'utf8')).toBe('1\n')
  const { path } = await create(plan)
  await writeFile(join(path, '.env'), 'PORT=2\n')
  const { salvageRef } = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(await space.git(space.clone, 'show', `${salvageRef}:.env`)).toBe('PORT=2')
})

test('what fails is a warning, and the job has its worktree', async () => {
  const made = await create({
    copy: ['missing', '../outside', 'README.md', '.git/config'],
    command: ['sh', '-c', 'echo it broke >&2; exit 3'],
  })
  expect(made.warnings).toEqual([
    'preparation: missing was not copied: it is not there',
    'preparation: ../outside was not copied: it is not inside the clone',
    'preparation: README.md was not copied: the repository has something there already',
    'preparation: .git/config was not copied: it is not inside the clone',
    'preparation: the command ended with 3: it broke',
  ])
  expect(await readFile(join(made.path, 'README.md'), 'utf8')).toBe('hello\n')
})

test('a command that takes too long is ended, with its children', async () => {
  const made = await create({
    command: ['sh', '-c', 'sleep 600 & echo $! > child.log; wait'],
    timeoutSeconds: 1,
  })
  expect(made.warnings.join()).toContain('took longer than 1 s')
  const child = Number(await readFile(join(made.path, 'child.log'), 'utf8'))
  // Nothing, or a zombie that nobody has waited for.
  expect(await readProcess(child)).toBeNull()
})

test('a link of the repository that leads out of the worktree is not followed', async () => {
  const outside = join(space.dir, 'outside')
  await mkdir(outside)
  const seed = join(space.dir, 'seed')
  await symlink(outside, join(seed, 'config'))
  await space.git(seed, 'add', 'config')
  await space.git(seed, 'commit', '--quiet', '-m', 'a link')
  await space.git(seed, 'push', '--quiet', space.origin, 'HEAD:main')
  await mkdir(join(space.clone, 'config'))
  await writeFile(join(space.clone, 'config/secret.env'), 'secret')
  const made = await create({ copy: ['config/secret.env'] })
  expect(made.warnings.join()).toContain('its directory is a link')
  expect(await lstat(join(outside, 'secret.env')).catch(() => null)).toBeNull()
})

import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { snapshot } from './support/snapshot.ts'
import { spareReady } from './support/spare-ready.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'job-with-news'
let space: Workspace
let engine: Worktrees
let seed: string

beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  seed = join(space.dir, 'seed')
  engine = space.engine()
})
afterEach(() => space.close())

const create = (jobId = JOB) => engine.create({ jobId, repoRoot: space.clone })

/** Everything in the seed becomes origin's main; answers its commit. */
async function push(...settings: string[]): Promise<string> {
  const options = settings.flatMap((setting) => ['-c', setting])
  await space.git(seed, ...options, 'add', '-A')
  await space.git(seed, 'commit', '--quiet', '--allow-empty', '-m', 'news')
  await space.git(seed, 'push', '--quiet', '--force', space.origin, 'HEAD:main')
  return space.git(seed, 'rev-parse', 'HEAD')
}

/** The clone knows of all that origin has by now. */
const known = (...settings: string[]) =>
  space.git(space.clone, ...settings.flatMap((setting) => ['-c', setting]), 'fetch', '--quiet')

const put = async (file: string, text: string) => {
  await mkdir(join(seed, file, '..'), { recursive: true })
  await writeFile(join(seed, file), text)
}

/** Origin has something new: what a job gets is what a new clone of it would have. */
async function isLikeNew(sha: string, jobId = JOB): Promise<void> {
  const made = await create(jobId)
  expect(made).toMatchObject({ baseSha: sha, baseFetched: true })
  const fresh = join(space.dir, `fresh-${jobId}`)
  await space.git(space.clone, 'worktree', 'add', '--quiet', '--detach', fresh, sha)
  expect(await snapshot(made.path)).toEqual(await snapshot(fresh))
  expect(await space.git(made.path, 'rev-parse', 'HEAD', made.branch)).toBe(`${sha}\n${sha}`)
  const status = (path: string) => space.git(path, 'status', '--porcelain')
  expect(await status(made.path)).toBe(await status(fresh))
  expect(await engine.remove({ jobId, branch: 'delete' })).toMatchObject({
    outcome: 'removed',
    salvageRef: null,
  })
}

const WAYS: readonly [string, (() => Promise<unknown>) | undefined, () => Promise<unknown>][] = [
  [
    'files changed, new and gone',
    undefined,
    async () => {
      await put('src/a.txt', 'news\n')
      await put('new/file', 'new\n')
      await rm(join(seed, 'README.md'))
    },
  ],
  [
    'a directory becomes a link, and a file a directory',
    () => put('file', 'f'),
    async () => {
      await rm(join(seed, 'src'), { recursive: true })
      await symlink('README.md', join(seed, 'src'))
      await rm(join(seed, 'file'))
      await put('file/in', 'f')
    },
  ],
  [
    'attributes say of files that stay the same how they are written',
    undefined,
    () => put('.gitattributes', '* text eol=crlf\n'),
  ],
  [
    'attributes make a file look modified',
    () => put('crlf.txt', 'one\r\ntwo\r\n'),
    () => put('.gitattributes', '*.txt text\n*.md text eol=crlf\n'),
  ],
  [
    'a file that always looks modified changes',
    async () => {
      await put('.gitattributes', 'crlf.txt -text\n')
      await put('crlf.txt', 'one\r\ntwo\r\n')
      await push()
      await put('.gitattributes', '* text\n')
      await space.git(seed, 'update-index', '--assume-unchanged', 'crlf.txt')
    },
    async () => {
      await space.git(seed, 'update-index', '--no-assume-unchanged', 'crlf.txt')
      await put('crlf.txt', 'one\ntwo\n')
    },
  ],
  [
    'origin was rewound',
    () => put('wrong.txt', 'wrong'),
    async () => {
      await space.git(seed, 'reset', '--quiet', '--hard', 'HEAD~1')
      await put('right.txt', 'right')
    },
  ],
]

describe('origin has news, and what a job gets is what a new checkout would be', () => {
  it.each(WAYS)('%s', async (_what, first, change) => {
    await first?.()
    await push()
    await known()
    await change()
    await isLikeNew(await push())
  })

  it.each(WAYS.slice(0, 3))('from a spare: %s', async (_what, first, change) => {
    await first?.()
    await push()
    engine = space.engine({ spares: true })
    await engine.start()
    await create('job-first')
    await spareReady(space)
    await change()
    await isLikeNew(await push())
  })
})

it('a required filter that fails is left out for the new files, with a warning', async () => {
  const home = join(space.dir, 'home/.gitconfig')
  await writeFile(home, '[filter "bad"]\n\tsmudge = false\n\tclean = cat\n\trequired = true\n')
  await put('.gitattributes', '*.bin filter=bad\n')
  await put('m.bin', 'one\n')
  await push('filter.bad.smudge=cat')
  await known('filter.bad.smudge=cat')
  await put('m.bin', 'two\n')
  await put('z.txt', 'news\n')
  await push('filter.bad.smudge=cat')
  const made = await create()
  expect(made.warnings).toEqual([expect.stringContaining('a filter of this repository failed')])
  expect(await readFile(join(made.path, 'm.bin'), 'utf8')).toBe('two\n')
  expect(await readFile(join(made.path, 'z.txt'), 'utf8')).toBe('news\n')
})

it('what somebody left in the spare where the news is, is saved, and the job has its worktree', async () => {
  engine = space.engine({ spares: true })
  await engine.start()
  await create('job-first')
  const spare = await spareReady(space)
  await writeFile(join(spare, 'src/a.txt'), 'somebody’s work\n')
  const sha = await space.pushFromElsewhere('main', 'src/a.txt', 'news\n')
  const made = await create()
  expect(made.baseSha).toBe(sha)
  expect(await readFile(join(made.path, 'src/a.txt'), 'utf8')).toBe('news\n')
  const [saved] = await engine.saved()
  expect(await space.git(space.clone, 'show', `${saved?.ref}:src/a.txt`)).toBe('somebody’s work')
})

it('many daemons of one clone that fetch the same news: each says that it is fetched', {
  timeout: 60_000,
}, async () => {
  const engines = [1, 2, 3].map((n) =>
    space.engine({
      instanceId: `instance-${n}`,
      parentDir: join(space.dir, `worktrees-${n}`),
      stateDir: join(space.dir, `state-${n}`),
    }),
  )
  for (let round = 0; round < 6; round += 1) {
    const sha = await space.pushFromElsewhere('main', 'elsewhere.txt', `news ${round}\n`)
    const making = engines.map((one, n) =>
      one.create({ jobId: `job-${round}-of-${n}`, repoRoot: space.clone }),
    )
    for (const made of await Promise.all(making))
      expect(made).toMatchObject({ baseSha: sha, baseFetched: true })
  }
})

describe('a daemon that was killed while it made a spare the job’s', () => {
  it.each([
    ['begins', true],
    ['is asked for the job at once', false],
  ])('and the next one %s: the job has its worktree', async (_when, isStarted) => {
    engine = space.engine({ spares: true })
    await engine.start()
    const first = await create('job-first')
    const spare = await spareReady(space)
    await engine.stop()
    // As it is after the rename, before the clone knows of it.
    const records = join(space.state, 'worktrees/jobs')
    const record: unknown = JSON.parse(await readFile(join(records, 'job-first.json'), 'utf8'))
    const path = join(space.parent, JOB)
    const branch = `feat/job-${JOB.slice(-8)}`
    const half = { jobId: JOB, phase: 'creating', path, branch, fromSpare: true }
    await writeFile(join(records, `${JOB}.json`), JSON.stringify(Object.assign({}, record, half)))
    await space.git(space.clone, 'branch', '--no-track', branch, first.baseSha)
    await rename(spare, path)

    engine = space.engine({ spares: true })
    if (isStarted) await engine.start()
    const made = await create()
    expect(made).toMatchObject({ branch, reused: false })
    expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
    expect(await engine.saved()).toEqual([])
  })
})

import { mkdir, mkdtemp, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { delay } from '../../../daemon/lifecycle/delay.ts'
import { childEnvironment } from '../../../daemon/worktrees/git/environment.ts'
import { Git } from '../../../daemon/worktrees/git/git.ts'
import { KnownRepositories } from '../../../daemon/worktrees/git/known-repositories.ts'
import { openRepository, type Repository } from '../../../daemon/worktrees/git/repository.ts'
import { cloneWithOrigin, git as person } from '../../support/git.ts'

let dir: string
let clone: string
let git: Git
let known: KnownRepositories
let asked: ReturnType<typeof vi.spyOn>

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 's4m-known-'))
  clone = (await cloneWithOrigin(dir)).clone
  const env = { PATH: process.env.PATH, HOME: dir }
  git = new Git({ env })
  known = new KnownRepositories(git, childEnvironment(env))
  asked = vi.spyOn(git, 'ask')
})
afterEach(() => rm(dir, { recursive: true }))

/** How many questions opening the clone costs now. */
async function questions(): Promise<number> {
  asked.mockClear()
  await known.open(clone)
  return asked.mock.calls.length
}

const config = (text: string) => writeFile(join(clone, '.git/config'), text)
const ownConfig = () => readFile(join(clone, '.git/config'), 'utf8')

/** What counts of a repository: all but what it says of branches. */
const essence = ({ config: entries, ceiling, ...rest }: Repository) => ({
  ...rest,
  config: entries.filter(({ key }) => !key.startsWith('branch.')),
})

it('asks git once, and not again while nothing has changed', async () => {
  expect(await questions()).toBe(2)
  expect(await questions()).toBe(0)
  expect(essence(await known.open(clone))).toEqual(essence(await openRepository(git, clone)))
})

it('what a push -u writes is nothing new, and what is beside it is', async () => {
  await questions()
  await person(clone, 'push', '-q', '-u', 'origin', 'HEAD:refs/heads/feat/x')
  await person(clone, 'config', 'branch.feat/y.remote', 'origin')
  expect(await questions()).toBe(0)
  await person(clone, 'config', 'filter.x.smudge', 'evil')
  expect(await questions()).toBe(2)
  expect((await known.open(clone)).settings).toContain('filter.x.smudge=')
})

describe('asks again when', () => {
  it.each([
    [
      'the user’s own configuration appears',
      () => writeFile(join(dir, '.gitconfig'), '[user]\n\tname = me\n'),
    ],
    [
      'the one in .config appears',
      async () => {
        await mkdir(join(dir, '.config/git'), { recursive: true })
        await writeFile(join(dir, '.config/git/config'), '[user]\n\tname = me\n')
      },
    ],
    [
      'a configuration of the worktree appears',
      () => writeFile(join(clone, '.git/config.worktree'), '[core]\n\tbare = false\n'),
    ],
    [
      'another clone has taken its place',
      async () => {
        await rename(clone, `${clone}-before`)
        await person(dir, 'clone', '-q', `${clone}-before`, clone)
      },
    ],
  ])('%s', async (_what, change) => {
    await questions()
    expect(await questions()).toBe(0)
    await change()
    expect(await questions()).toBe(2)
    expect(essence(await known.open(clone))).toEqual(essence(await openRepository(git, clone)))
  })

  it('somebody wrote as many bytes and set the time back, long after it was looked at', async () => {
    await person(clone, 'config', 'filter.x.smudge', 'good')
    await questions()
    const { atime, mtime } = await stat(join(clone, '.git/config'))
    // From now on the file's times are old enough to be relied on.
    await delay(3_100)
    expect(await questions()).toBe(0)
    await config((await ownConfig()).replace('good', 'evil'))
    await utimes(join(clone, '.git/config'), atime, mtime)
    expect(await questions()).toBe(2)
  })

  it('it is no repository any more', async () => {
    await questions()
    await rm(join(clone, '.git'), { recursive: true })
    await expect(known.open(clone)).rejects.toThrow(/not a git repository/)
  })

  it('its configuration includes another file, each time', async () => {
    await person(clone, 'config', 'include.path', '/nowhere/yet')
    expect([await questions(), await questions()]).toEqual([2, 2])
  })

  it('the root is a directory inside the clone, or a linked worktree, each time', async () => {
    await mkdir(join(clone, 'inside'))
    await person(clone, 'worktree', 'add', '-q', '--detach', join(dir, 'linked'))
    for (const root of [join(clone, 'inside'), join(dir, 'linked')]) {
      await known.open(root)
      asked.mockClear()
      await known.open(root)
      expect(asked).toHaveBeenCalledTimes(2)
    }
  })
})

it('whoever moves lines in and out of branch sections changes nothing unseen', {
  timeout: 120_000,
}, async () => {
  const base = await ownConfig()
  const line = fc.constantFrom<string>(
    '[branch "a"]\n',
    '[branch "b/c"]\n',
    '[branch "odd name"]\n',
    '[branch "a"] merge = x\n',
    '[filter "x"]\n',
    '[credential]\n',
    '\tmerge = refs/heads/a\n',
    '\tsmudge = evil\n',
    '\tsmudge = e\\\n',
    '\thelper = evil\n',
    '\thelper = !evil\n',
    '# [branch "a"]\n',
    '# \u2028[branch "a"]\n',
    '\tmerge = refs/heads/ä\n',
    '\n',
  )
  // A few lines, and the same with one of them gone or with one more that git itself could write.
  const more = fc.constantFrom<string[]>('[branch "a"]\n', '[branch "b/c"]\n', '\tmerge = refs/heads/a\n', '')
  const texts = fc
    .tuple(fc.array(line, { maxLength: 5 }), fc.nat(5), more)
    .map(([lines, at, one]) => [lines, lines.toSpliced(at, one === '' ? 1 : 0, one)])
    .map((both) => both.map((lines) => `${base}[filter "x"]\n${lines.join('')}`))
  await fc.assert(
    fc.asyncProperty(texts, async (said) => {
      for (const text of [...said, ...said.slice(0, 1)]) {
        await config(text)
        const fresh = await openRepository(git, clone).then(essence, () => 'refused')
        expect(await known.open(clone).then(essence, () => 'refused')).toEqual(fresh)
      }
    }),
    { numRuns: process.env.SCRUM4ME_TEST_LONG === '1' ? 1_000 : 16 },
  )
})

import { expect, test } from 'vitest'
import { FetchFailures } from '../../daemon/worktrees/git/fetch-failures.ts'

test('a failed fetch is known until origin answers, and for an hour at most', () => {
  let now = 0
  const failures = new FetchFailures(() => now)
  const clone = (name: string) => ({ root: `/${name}`, commonDir: `/${name}/.git` })
  failures.failed(clone('a'), 'no route')
  now = 1_000
  failures.failed(clone('b'), 'no key')
  expect(failures.recent).toEqual([
    { repoRoot: '/a', reason: 'no route', ageMs: 1_000 },
    { repoRoot: '/b', reason: 'no key', ageMs: 0 },
  ])
  failures.answered(clone('a'))
  now = 3_601_000
  expect(failures.recent).toMatchObject([{ repoRoot: '/b' }])
  now += 1
  expect(failures.recent).toEqual([])
})

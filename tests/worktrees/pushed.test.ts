import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
const BRANCH = 'feat/job-abcd1234'
let space: Workspace
let engine: Worktrees
let path: string

beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
  path = (await engine.create({ jobId: JOB, repoRoot: space.clone })).path
  await space.commit(path, 'work.txt', 'work')
})
afterEach(() => space.close())

test('not pushed, then pushed, then one commit ahead again', async () => {
  expect(await engine.headIsPushed(JOB, BRANCH)).toBe(false)
  await space.git(path, 'push', '--quiet', 'origin', BRANCH)
  expect(await engine.headIsPushed(JOB, BRANCH)).toBe(true)
  await space.commit(path, 'more.txt', 'more')
  expect(await engine.headIsPushed(JOB, BRANCH)).toBe(false)
})

test('pushed by a way that leaves no tracking ref: origin is asked', async () => {
  await space.git(path, 'push', '--quiet', space.origin, `HEAD:refs/heads/other`)
  expect(await space.git(space.clone, 'branch', '--remotes')).not.toContain('other')
  expect(await engine.headIsPushed(JOB, 'other')).toBe(true)
})

test('origin out of reach, a name that is no branch, a job that is not here', async () => {
  expect(await engine.headIsPushed(JOB, '--upload-pack=touch x')).toBe(false)
  expect(await engine.headIsPushed('other-job', BRANCH)).toBe(false)
  await space.git(space.clone, 'remote', 'set-url', 'origin', join(space.dir, 'nowhere'))
  expect(await engine.headIsPushed(JOB, BRANCH)).toBe(false)
})

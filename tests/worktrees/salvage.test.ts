import { existsSync } from 'node:fs'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { snapshot } from './support/snapshot.ts'
import { STATES, type State } from './support/states.ts'
import { Workspace } from './support/workspace.ts'

let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  engine = space.engine()
})
afterEach(() => space.close())

interface Before {
  readonly state: State
  readonly jobId: string
  readonly files: Record<string, string>
  readonly status: string | null
  readonly head: string | null
}

const status = (path: string) =>
  space.git(path, '--no-optional-locks', 'status', '--porcelain=v2', '--untracked-files=all')

async function prepare(state: State, index: number): Promise<Before> {
  const jobId = `cjob-state-${String(index).padStart(8, '0')}`
  const { path } = await engine.create({ jobId, repoRoot: space.clone })
  await state.make(space, path)
  return {
    state,
    jobId,
    files: await snapshot(path, state.leaveOut),
    status: await status(path).catch(() => null),
    head: await space.git(path, 'rev-parse', '--verify', 'HEAD').catch(() => null),
  }
}

/** All that could keep a commit alive but the saves. */
async function forgetEverything(): Promise<void> {
  const branches = await space.git(space.clone, 'for-each-ref', '--format=%(refname:short)', 'refs/heads')
  await space.git(space.clone, 'switch', '--quiet', '--detach')
  for (const branch of branches.split('\n')) await space.git(space.clone, 'branch', '-D', '--quiet', branch)
  await space.git(space.clone, 'stash', 'clear')
  await space.git(space.clone, 'reflog', 'expire', '--expire=now', '--all')
  await space.git(space.clone, 'gc', '--quiet', '--prune=now')
}

async function restoreAndCompare(before: Before): Promise<void> {
  const { state, jobId } = before
  const restored = await engine.restore({ jobId })
  expect(await snapshot(restored.path, state.leaveOut)).toEqual(before.files)
  if (before.head !== null) expect(await space.git(restored.path, 'rev-parse', 'HEAD')).toBe(before.head)
  if (state.statusDiffers !== true) expect(await status(restored.path)).toBe(before.status)
}

describe.each(['delete', 'keep'] as const)('every state, branch rule %s', (branch) => {
  test('is removed, and the printed command brings it back exactly', { timeout: 600_000 }, async () => {
    const befores: Before[] = []
    for (const [index, state] of STATES.entries()) befores.push(await prepare(state, index))
    for (const { state, jobId } of befores) {
      const outcome = await engine.remove({ jobId, branch })
      expect.soft({ state: state.name, outcome: outcome.outcome, reason: outcome.reason }).toEqual({
        state: state.name,
        outcome: 'removed',
        reason: null,
      })
      expect.soft({ state: state.name, saved: outcome.salvageRef !== null }).toEqual({
        state: state.name,
        saved: state.saves,
      })
      if (state.name === 'ignored only') expect(outcome.ignored).toEqual({ files: 2, bytes: 1003 })
      expect(existsSync(outcome.path ?? '')).toBe(false)
    }
    expect(await space.git(space.clone, 'worktree', 'list')).not.toContain('cjob-state')
    await forgetEverything()
    for (const before of befores.filter(({ state }) => state.saves)) {
      await restoreAndCompare(before).catch((error: unknown) => {
        expect.soft(error, before.state.name).toBeUndefined()
      })
    }
    expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
  })
})

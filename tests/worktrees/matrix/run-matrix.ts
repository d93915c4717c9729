import { existsSync } from 'node:fs'
import { expect } from 'vitest'
import { snapshot } from '../support/snapshot.ts'
import type { State } from '../support/state.ts'
import type { Workspace } from '../support/workspace.ts'
import type { Ending } from './endings.ts'
import { type HeldJob, Machine } from './machine.ts'

interface Before {
  readonly state: State
  readonly job: HeldJob
  readonly files: Record<string, string>
  readonly status: string | null
  readonly head: string | null
}

/**
 * Every state in a worktree of its own of one clone; the ending; then everything is taken away that could keep a
 * commit alive but the saves, and each is brought back by what the printed command runs, and compared byte by byte.
 */
export async function runMatrix(states: readonly State[], ending: Ending): Promise<void> {
  const machine = await Machine.open()
  const { space } = machine
  try {
    const befores: Before[] = []
    for (const state of states) befores.push(await begin(machine, state))
    const jobs = befores.map(({ job }) => job)
    await ending.end(machine, jobs)

    for (const { path } of jobs) expect(existsSync(path), path).toBe(false)
    expect(await space.git(space.clone, 'worktree', 'list', '--porcelain')).not.toContain(space.parent)
    const saved = await machine.engine.saved()
    for (const { state, job } of befores) {
      const { jobId } = job.claim.identity
      const commands = saved.filter((one) => one.jobId === jobId).map(({ restoreCommand }) => restoreCommand)
      expect.soft({ state: state.name, commands: commands.slice(-1) }).toEqual({
        state: state.name,
        commands: state.saves ? [`worktrees restore ${jobId}`] : [],
      })
    }
    await forgetEverything(space)
    for (const before of befores) {
      if (!before.state.saves) continue
      await restoreAndCompare(machine, before).catch((error: unknown) => {
        expect.soft(error, before.state.name).toBeUndefined()
      })
    }
    expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
  } finally {
    await machine.close()
  }
}

async function begin(machine: Machine, state: State): Promise<Before> {
  const { space } = machine
  const job = await machine.hold()
  await state.make(space, job.path)
  if (state.again !== undefined) {
    await machine.saveButKeep(job)
    await state.again(space, job.path)
  }
  return {
    state,
    job,
    files: await snapshot(job.path, state.leaveOut),
    status: await statusOf(space, job.path).catch(() => null),
    head: await space.git(job.path, 'rev-parse', '--verify', 'HEAD').catch(() => null),
  }
}

function statusOf(space: Workspace, path: string): Promise<string> {
  return space.git(path, '--no-optional-locks', 'status', '--porcelain=v2', '--untracked-files=all')
}

/** All that could keep a commit alive but the saves. */
async function forgetEverything(space: Workspace): Promise<void> {
  const branches = await space.git(space.clone, 'for-each-ref', '--format=%(refname:short)', 'refs/heads')
  await space.git(space.clone, 'switch', '--quiet', '--detach')
  await space.git(space.clone, 'branch', '-D', '--quiet', ...branches.split('\n'))
  await space.git(space.clone, 'stash', 'clear')
  await space.git(space.clone, 'reflog', 'expire', '--expire=now', '--all')
  await space.git(space.clone, 'gc', '--quiet', '--prune=now')
}

async function restoreAndCompare(machine: Machine, before: Before): Promise<void> {
  const { space, engine } = machine
  const { state, job } = before
  const restored = await engine.restore({ jobId: job.claim.identity.jobId })
  expect(await snapshot(restored.path, state.leaveOut)).toEqual(before.files)
  if (before.head !== null) expect(await space.git(restored.path, 'rev-parse', 'HEAD')).toBe(before.head)
  if (state.statusDiffers !== true) expect(await statusOf(space, restored.path)).toBe(before.status)
}

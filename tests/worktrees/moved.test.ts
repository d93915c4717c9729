import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob0000000000000000abcd1234'
let space: Workspace
let engine: Worktrees
let place: string
let away: string

/** A job's worktree with work in it, moved away by its agent. */
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
  place = (await engine.create({ jobId: JOB, repoRoot: space.clone })).path
  away = join(space.dir, 'away')
  await writeFile(join(place, 'draft.txt'), 'not committed')
  await space.git(space.clone, 'worktree', 'move', '--force', '--force', place, away)
})
afterEach(() => space.close())

test('a worktree that was moved away is saved and removed like any other', async () => {
  const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(outcome).toMatchObject({ outcome: 'removed', salvageRef: `refs/scrum4me/salvage/${JOB}/1` })
  expect(existsSync(away)).toBe(false)
  const listed = await space.git(space.clone, 'worktree', 'list')
  expect(listed.split('\n')).toHaveLength(1)
  const back = await engine.restore({ jobId: JOB })
  expect(await readFile(join(back.path, 'draft.txt'), 'utf8')).toBe('not committed')
})

test('its job claimed again: it is handed over in its place', async () => {
  const again = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(again).toMatchObject({ reused: true, path: place })
  expect(await readFile(join(place, 'draft.txt'), 'utf8')).toBe('not committed')
})

test('while a process stands in it, it stays where it is, and the reason names both', async () => {
  const process = spawn('sleep', ['600'], { cwd: away, stdio: 'ignore' })
  try {
    const outcome = await engine.remove({ jobId: JOB, branch: 'delete' })
    expect(outcome.outcome).toBe('deferred')
    expect(outcome.reason).toContain(away)
    expect(outcome.reason).toContain(String(process.pid))
    await expect(engine.create({ jobId: JOB, repoRoot: space.clone })).rejects.toThrow(away)
    expect(existsSync(join(away, 'draft.txt'))).toBe(true)
  } finally {
    process.kill('SIGKILL')
  }
})

test('one that was unlocked first is its mover’s: left alone', async () => {
  await space.git(space.clone, 'worktree', 'unlock', away)
  await engine.remove({ jobId: JOB, branch: 'delete' })
  expect(await readFile(join(away, 'draft.txt'), 'utf8')).toBe('not committed')
})

import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { until } from '../support/until.ts'
import { spareReady } from './support/spare-ready.ts'
import { Workspace } from './support/workspace.ts'

const exec = promisify(execFile)
const JOBS = Number(process.env.SCRUM4ME_TEST_JOBS ?? (process.env.SCRUM4ME_TEST_LONG === '1' ? 1000 : 16))
const FILES = 100

let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  for (let file = 0; file < FILES; file += 1) {
    await space.write(
      join(space.dir, `seed/src/module-${file}.ts`),
      `export const n${file} = '${'x'.repeat(3000)}'\n`,
    )
  }
  await space.git(join(space.dir, 'seed'), 'add', '-A')
  await space.git(join(space.dir, 'seed'), 'commit', '--quiet', '-m', 'modules')
  await space.git(join(space.dir, 'seed'), 'push', '--quiet', space.origin, 'HEAD:main')
  await space.git(space.clone, 'pull', '--quiet')
  engine = space.engine({ spares: true })
  await engine.start()
})
afterEach(() => space.close())

/** Bytes on disk. */
async function bytesOf(path: string): Promise<number> {
  return existsSync(path) ? Number((await exec('du', ['-sk', path])).stdout.split('\t')[0]) * 1024 : 0
}

const looseObjects = async () =>
  Number(/^(\d+) objects/.exec(await space.git(space.clone, 'count-objects'))?.[1])
const lines = (text: string) => text.split('\n').filter((line) => line !== '')

/** One job from claim to end: clean; pushed; committed and more; untracked only. True: its work must be saved. */
async function live(index: number): Promise<boolean> {
  const jobId = `job-${String(index).padStart(8, '0')}`
  const { path, branch } = await engine.create({ jobId, repoRoot: space.clone })
  const kind = index % 4
  if (kind === 1 || kind === 2) await space.commit(path, `src/module-${index % FILES}.ts`, `job ${index}\n`)
  if (kind === 1) await space.git(path, 'push', '--quiet', 'origin', `HEAD:refs/heads/${branch}`)
  if (kind >= 2) await writeFile(join(path, `notes-${index}.txt`), `notes of job ${index}\n`)
  const report =
    kind === 1 ? { branch: 'keep' as const, reportedBranch: branch } : { branch: 'delete' as const }
  const { outcome, salvageRef } = await engine.remove({ jobId, ...report })
  expect({ index, saved: salvageRef !== null }).toEqual({ index, saved: kind >= 2 })
  // The agent's own git may collect garbage in the background for a while, standing there.
  expect(['removed', 'deferred']).toContain(outcome)
  return kind >= 2
}

/**
 * The caps: below the worktree directory one spare for the clone, and nothing else; in the clone the saved work, which
 * stays until it is dropped, a few small objects for each save; when it is dropped, all of it comes back.
 */
test(`${JOBS} jobs in a row leave the disk within its cap`, { timeout: 3_600_000 }, async () => {
  const one = await engine.create({ jobId: 'job-to-measure', repoRoot: space.clone })
  const worktreeBytes = await bytesOf(one.path)
  await engine.remove({ jobId: 'job-to-measure', branch: 'delete' })
  const before = { clone: await bytesOf(join(space.clone, '.git')), objects: await looseObjects() }
  let saves = 0
  for (let index = 0; index < JOBS; index += 1) saves += (await live(index)) ? 1 : 0

  // What is being deleted is gone, and the spare for the next job is complete.
  await until(
    'only the spare is left',
    async () => (await readdir(space.parent)).every((name) => name === '.spare'),
    300_000,
  )
  await spareReady(space)
  expect(await readdir(join(space.parent, '.spare'))).toHaveLength(1)
  await engine.stop()
  const after = {
    worktrees: await bytesOf(space.parent),
    clone: await bytesOf(join(space.clone, '.git')),
    objects: await looseObjects(),
    state: await bytesOf(space.state),
    branches: lines(await space.git(space.clone, 'for-each-ref', 'refs/heads')).length,
    saves: lines(await space.git(space.clone, 'for-each-ref', 'refs/scrum4me')).length,
  }
  expect(after.worktrees).toBeLessThan(worktreeBytes + 64 * 1024)
  expect(await readdir(join(space.state, 'worktrees/jobs'))).toEqual([])
  expect(await readdir(join(space.clone, '.git/worktrees'))).toHaveLength(1)
  expect((await readdir(join(space.clone, '.git'))).filter((name) => /^scrum4me-/.test(name))).toEqual([])
  // main, and those that their agents reported.
  expect(after.branches).toBe(1 + JOBS / 4)
  expect(after.saves).toBe(saves)
  expect(after.objects - before.objects).toBeLessThanOrEqual(JOBS * 3 + saves * 14)
  expect(after.state).toBeLessThan(256 * 1024)

  engine = space.engine({ spares: false })
  await engine.start()
  for (const jobId of new Set((await engine.saved()).map((save) => save.jobId))) await engine.drop(jobId)
  await until('nothing is left', async () => (await readdir(space.parent)).length === 0, 60_000)
  await engine.stop()
  const branches = lines(
    await space.git(space.clone, 'for-each-ref', '--format=%(refname)', 'refs/heads/feat'),
  )
  for (const ref of branches) await space.git(space.clone, 'update-ref', '-d', ref)
  await space.git(space.clone, 'reflog', 'expire', '--expire=now', '--all')
  await space.git(space.clone, 'gc', '--quiet', '--prune=now')
  const atTheEnd = await bytesOf(join(space.clone, '.git'))
  if (JOBS > 100) console.info({ jobs: JOBS, worktreeBytes, before, after, atTheEnd })
  // The branches that were pushed are on origin, so what this clone knows of them stays: some hundred bytes each.
  expect(atTheEnd).toBeLessThan(before.clone + 64 * 1024 + (JOBS / 4) * 8192)
  expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
})

import { join } from 'node:path'
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest'
import { compileEngine, engineProcess } from './support/engine-process.ts'
import { Workspace } from './support/workspace.ts'

const PROCESSES = 4
const JOBS_EACH = 4
let space: Workspace
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
})
afterEach(() => space.close())

test('16 creates from four processes, while a person commits, fetches and collects garbage', async () => {
  const program = await compileEngine()
  onTestFinished(() => program.remove())
  const children = Array.from({ length: PROCESSES }, (_, child) =>
    engineProcess(program, space, {
      waits: true,
      // Ends of ids meet across processes, so branch names do too.
      create: Array.from({ length: JOBS_EACH }, (_, job) => `process-${child}-job-0000000${job}`),
      instanceId: `instance-${child}`,
      stateDir: join(space.dir, `state-${child}`),
      parentDir: child % 2 === 0 ? space.parent : join(space.dir, `worktrees-${child}`),
    }),
  )
  await Promise.all(children.map((child) => child.line(/ready/)))
  let busy = true
  for (const child of children) child.child.stdin?.write('go\n')
  const done = Promise.all(children.map((child) => child.exited)).finally(() => {
    busy = false
  })
  const [ends, rounds] = await Promise.all([done, personAtWork(() => busy)])
  expect(ends).toEqual(Array(PROCESSES).fill(0))
  expect(rounds).toBeGreaterThan(0)

  const made = children.flatMap((child) =>
    child.lines
      .filter((line) => line.startsWith('{'))
      .map((line): { path: string; branch: string } => JSON.parse(line)),
  )
  expect(made).toHaveLength(PROCESSES * JOBS_EACH)
  expect(new Set(made.map(({ branch }) => branch)).size).toBe(PROCESSES * JOBS_EACH)
  for (const { path, branch } of made) {
    expect(await space.git(path, 'symbolic-ref', '--short', 'HEAD')).toBe(branch)
    expect(await space.git(path, 'status', '--porcelain')).toBe('')
  }
  expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
})

async function personAtWork(isBusy: () => boolean): Promise<number> {
  let rounds = 0
  while (isBusy()) {
    rounds += 1
    await space.commit(space.clone, 'diary.txt', `round ${rounds}\n`)
    await space.pushFromElsewhere('main', 'news.txt', `round ${rounds}\n`)
    // A person's fetch may meet ours on the same ref and lose; it would be run again.
    await space.git(space.clone, 'fetch', '--quiet').catch(() => undefined)
    await space.git(space.clone, 'gc', '--quiet', '--prune=now')
    await space.git(space.clone, 'worktree', 'prune', '--expire=now')
  }
  return rounds
}

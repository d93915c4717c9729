import { chmod, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Verdict } from '../../daemon/worktrees/reconcile.ts'
import type { CompiledProgram } from '../ipc/run-program.ts'
import { until } from '../support/until.ts'
import { compileEngine, type EngineOrder, engineProcess, quiet } from './support/engine-process.ts'
import { snapshot } from './support/snapshot.ts'
import { spareReady } from './support/spare-ready.ts'
import { Workspace } from './support/workspace.ts'

const JOB = 'cjob-to-be-killed'
const LONG = process.env.SCRUM4ME_TEST_LONG === '1'
let program: CompiledProgram
let space: Workspace
let mine: string

beforeAll(async () => {
  program = await compileEngine()
})
afterAll(() => program.remove())
beforeEach(async () => {
  space = await Workspace.open()
  await space.makeClone()
  mine = join(space.dir, 'a person’s worktree')
  await space.git(space.clone, 'worktree', 'add', '--quiet', '-b', 'mine', mine)
  await writeFile(join(mine, 'mine.txt'), 'mine')
})
afterEach(() => space.close())

/** A `git` that kills its parent, the engine, before or after running for the nth time. Answers its PATH. */
async function killingGit(at: number, when: 'before' | 'after'): Promise<string> {
  const bin = await mkdtemp(join(space.dir, 'bin-'))
  const count = await mkdtemp(join(space.dir, 'count-'))
  const script = [
    '#!/bin/sh',
    // Each takes the first number that is free; of two at a time only one can make the file.
    `n=1; set -C; until (: > ${count}/$n) 2> /dev/null; do n=$((n + 1)); done; set +C`,
    `[ "$n" -eq ${at} ] && [ ${when} = before ] && { kill -9 $PPID; exit 1; }`,
    `PATH=${process.env.PATH} git "$@"; rc=$?`,
    `[ "$n" -eq ${at} ] && [ ${when} = after ] && kill -9 $PPID`,
    'exit $rc',
  ]
  await writeFile(join(bin, 'git'), script.join('\n'))
  await chmod(join(bin, 'git'), 0o755)
  return `${bin}:${process.env.PATH}`
}

async function killed(order: EngineOrder): Promise<boolean> {
  const child = engineProcess(program, space, order)
  const end = await child.exited
  await quiet(space.dir)
  return end === 'SIGKILL'
}

/** Daemons that began to take up what was cut off, and are killed at these file steps; `died`: how many came so far. */
interface Again {
  readonly steps: readonly number[]
  died: number
}

/** What the next daemon does at its start, with every job ended. */
async function restartAndReconcile(again: Again = { steps: [], died: 0 }) {
  for (const dieAtFileStep of again.steps) {
    again.died += (await killed({ reconcile: true, dieAtFileStep })) ? 1 : 0
  }
  const engine = space.engine()
  await engine.start()
  const remove: Verdict = { action: 'remove', branch: 'delete', reason: 'ended', ended: 'FAILED' }
  // Spares, which this daemon has switched off, go in the background.
  await until(
    'the spare records are gone',
    async () => (await readdir(join(space.state, 'worktrees/spares')).catch(() => [])).length === 0,
  )
  const result = await engine.reconcile(
    async (ids) => new Map(ids.map((id) => [id, remove])),
    [space.clone],
    'leave',
  )
  return { engine, result }
}

async function expectNothingLeft(): Promise<void> {
  const worktrees = await space.git(space.clone, 'worktree', 'list', '--porcelain')
  expect(worktrees.match(/^worktree .*$/gm)).toEqual([`worktree ${space.clone}`, `worktree ${mine}`])
  expect(await readdir(join(space.clone, '.git/worktrees'))).toHaveLength(1)
  expect(
    (await readdir(join(space.clone, '.git'))).filter((name) => /^scrum4me-(new|gone)-/.test(name)),
  ).toEqual([])
  expect((await readdir(space.parent)).filter((name) => !name.startsWith('.'))).toEqual([])
  expect(await space.git(space.clone, 'branch', '--format=%(refname:short)')).toBe('main\nmine')
  expect(await space.git(space.clone, 'fsck', '--no-dangling', '--no-progress')).toBe('')
  expect(await readFile(join(mine, 'mine.txt'), 'utf8')).toBe('mine')
  expect(await space.git(mine, 'status', '--porcelain')).toBe('?? mine.txt')
  expect(await readdir(join(space.state, 'worktrees/jobs'))).toEqual([])
}

/** Kill points tried: all of them, or every nth. */
const every = (step: number) => (LONG ? 1 : step)
const TIMEOUT = LONG ? 3_600_000 : 600_000

async function killCreate(order: EngineOrder, again?: Again): Promise<boolean> {
  const died = await killed({ create: [JOB], ...order })
  const { engine } = await restartAndReconcile(again)
  await expectNothingLeft()
  const made = await engine.create({ jobId: JOB, repoRoot: space.clone })
  expect(made.reused).toBe(false)
  expect(await space.git(made.path, 'status', '--porcelain')).toBe('')
  expect(await engine.remove({ jobId: JOB, branch: 'delete' })).toMatchObject({ outcome: 'removed' })
  await engine.stop()
  return died
}

test('killed at every git command of create: nothing is left, and the job can have its worktree', {
  timeout: TIMEOUT,
}, async () => {
  for (let at = 1; ; at += every(4)) {
    const before = await killCreate({ path: await killingGit(at, 'before') })
    const after = LONG && (await killCreate({ path: await killingGit(at, 'after') }))
    if (!before && !after) return expect(at).toBeGreaterThan(4)
  }
})

test('killed at every file step of create', { timeout: TIMEOUT }, async () => {
  for (let at = 2; ; at += every(5)) {
    if (!(await killCreate({ dieAtFileStep: at }))) return expect(at).toBeGreaterThan(12)
  }
})

/** An engine with spares makes one for the clone. */
async function makeSpare(): Promise<void> {
  const engine = space.engine({ spares: true })
  await engine.start()
  await engine.create({ jobId: 'job-before', repoRoot: space.clone })
  await spareReady(space)
  await engine.remove({ jobId: 'job-before', branch: 'delete' })
  await engine.stop()
}

test('killed while a spare becomes a job’s worktree', { timeout: TIMEOUT }, async () => {
  for (let at = 4; ; at += every(10)) {
    await makeSpare()
    if (!(await killCreate({ dieAtFileStep: at, spares: true }))) return expect(at).toBeGreaterThan(12)
  }
})

async function work(path: string): Promise<Record<string, string>> {
  await space.commit(path, 'committed.txt', 'committed, not pushed')
  await writeFile(join(path, 'src/a.txt'), 'staged')
  await space.git(path, 'add', '-A')
  await writeFile(join(path, 'src/a.txt'), 'modified after staging')
  await writeFile(join(path, 'untracked.txt'), 'untracked')
  return snapshot(path)
}

async function killRemoval(order: EngineOrder, killAfterMs: number | null, again?: Again): Promise<boolean> {
  const first = space.engine()
  const { path } = await first.create({ jobId: JOB, repoRoot: space.clone })
  await first.stop()
  const before = await work(path)
  const tip = await space.git(path, 'rev-parse', 'HEAD')
  let died: boolean
  if (killAfterMs === null) died = await killed({ remove: [JOB], ...order })
  else {
    const child = engineProcess(program, space, { remove: [JOB], ...order })
    await child.line(/ready/)
    const timer = setTimeout(() => child.child.kill('SIGKILL'), killAfterMs)
    died = (await child.exited) === 'SIGKILL'
    clearTimeout(timer)
    await quiet(space.dir)
  }
  const { engine } = await restartAndReconcile(again)
  await expectNothingLeft()
  const restored = await engine.restore({ jobId: JOB })
  expect(await snapshot(restored.path)).toEqual(before)
  expect(await space.git(restored.path, 'rev-parse', 'HEAD')).toBe(tip)
  await space.git(space.clone, 'worktree', 'remove', '--force', restored.path)
  await space.git(space.clone, 'branch', '-D', '--quiet', restored.branch)
  await engine.drop(JOB)
  await engine.stop()
  return died
}

test('killed at every git command of save and remove: no byte is lost, nothing is left', {
  timeout: TIMEOUT,
}, async () => {
  for (let at = 1; ; at += every(13)) {
    // A short run takes turns.
    const times = LONG ? (['before', 'after'] as const) : ([at % 2 === 1 ? 'before' : 'after'] as const)
    let died = false
    for (const when of times) died = (await killRemoval({ path: await killingGit(at, when) }, null)) || died
    if (!died) return expect(at).toBeGreaterThan(13)
  }
})

test('killed at every file step of save and remove', { timeout: TIMEOUT }, async () => {
  for (let at = 1; ; at += every(9)) {
    if (!(await killRemoval({ dieAtFileStep: at }, null))) return expect(at).toBeGreaterThan(9)
  }
})

test('killed at any moment of save and remove', { timeout: TIMEOUT }, async () => {
  const runs = LONG ? 60 : 3
  for (let run = 0; run < runs; run += 1) await killRemoval({}, 20 + ((run * 997) % 500))
})

test('killed while saved work is put back: taken away again, and it can be put back', {
  timeout: TIMEOUT,
}, async () => {
  const first = space.engine()
  const { path } = await first.create({ jobId: JOB, repoRoot: space.clone })
  const before = await work(path)
  await first.remove({ jobId: JOB, branch: 'delete' })
  await first.stop()
  const orders = async (at: number): Promise<EngineOrder[]> => [
    { path: await killingGit(at, 'before') },
    { path: await killingGit(at, 'after') },
    { dieAtFileStep: at },
  ]
  for (let at = 1; ; at += every(11)) {
    let died = false
    for (const order of (await orders(at)).slice(LONG ? 0 : at % 3, LONG ? 3 : (at % 3) + 1)) {
      if (await killed({ restore: [JOB], ...order })) died = true
      const { engine } = await restartAndReconcile()
      // After the last step it is a person's worktree already.
      const [done] = (await readdir(space.parent)).filter((name) => name.endsWith('-restored'))
      const restored =
        done === undefined ? (await engine.restore({ jobId: JOB })).path : join(space.parent, done)
      expect(await snapshot(restored)).toEqual(before)
      const branch = await space.git(restored, 'symbolic-ref', '--short', 'HEAD')
      await space.git(space.clone, 'worktree', 'remove', '--force', restored)
      await space.git(space.clone, 'branch', '-D', '--quiet', branch)
      await expectNothingLeft()
      await engine.stop()
    }
    if (!died) return expect(at).toBeGreaterThan(11)
  }
})

/** Numbers from 0 up to 1 that a seed decides (mulberry32). */
function random(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

test('killed at random, and again while it takes back or carries through what was cut off', {
  timeout: TIMEOUT,
}, async () => {
  const seed = Number(process.env.SCRUM4ME_TEST_SEED ?? Date.now() % 2 ** 31)
  const next = random(seed)
  const upTo = (most: number) => 1 + Math.floor(next() * most)
  const runs = Number(process.env.SCRUM4ME_TEST_KILLS ?? (LONG ? 100 : 4))
  let deaths = 0
  let deathsAgain = 0
  for (let run = 0; run < runs; run += 1) {
    const kind = run % 4
    // About as many as there are; beyond the last one nothing is killed.
    const step = upTo([20, 24, 45][kind] ?? 1)
    const again: Again = { steps: Array.from({ length: 2 }, () => upTo(30)), died: 0 }
    const said = `seed ${seed}, run ${run}: ${JSON.stringify({ kind, step, again })}`
    try {
      if (kind === 1) await makeSpare()
      const order: EngineOrder =
        kind === 3
          ? { path: await killingGit(upTo(30), next() < 0.5 ? 'before' : 'after') }
          : { dieAtFileStep: step, spares: kind === 1 }
      const died = kind < 2 ? await killCreate(order, again) : await killRemoval(order, null, again)
      deaths += died ? 1 : 0
      deathsAgain += again.died
    } catch (error) {
      throw new Error(said, { cause: error })
    }
  }
  // A few runs may all miss.
  if (runs < 40) return
  console.info({ runs, deaths, deathsAgain })
  expect(deaths).toBeGreaterThan(runs / 4)
  expect(deathsAgain).toBeGreaterThan(runs / 4)
})

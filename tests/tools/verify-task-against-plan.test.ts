import { rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { seed } from '../support/seed.ts'
import { makeRepository, type Repository } from './repository.ts'
import { type Agent, type Json, type Workbench, workbench } from './workbench.ts'

let bench: Workbench
let owner: Agent
let repository: Repository
beforeAll(async () => {
  bench = await workbench()
  owner = await bench.agent()
})
afterAll(() => bench.close())
beforeEach(async () => {
  repository = await makeRepository({ 'README.md': 'hello\n', 'src/a.ts': 'a\n', 'src/old.ts': 'old\n' })
})
afterEach(() => repository.remove())

interface Held {
  readonly taskId: string
  readonly jobId: string
  readonly productId: string
  readonly path: string
}

/** A task with a job claimed by the owner and a worktree made from the clone. */
async function hold(plan: string, acceptance = '', taskRow: Json = {}): Promise<Held> {
  const product = await seed.product(bench.db, { user_id: owner.caller.userId })
  const story = await seed.story(bench.db, { product_id: product.id, acceptance_criteria: acceptance })
  const task = await seed.task(bench.db, { story_id: story.id, implementation_plan: plan, ...taskRow })
  const job = await seed.job(bench.db, {
    task_id: task.id,
    status: 'CLAIMED',
    claimed_by_token_id: owner.caller.tokenId,
    worker_instance_id: 'here',
    claimed_at: new Date('2026-05-04T03:02:01.123Z'),
  })
  const { path, base } = await repository.worktree(`job-${job.id}`)
  bench.repoRoots.set(product.id, repository.clone)
  bench.activeJobs.set(task.id, {
    jobId: job.id,
    worktreePath: path,
    baseSha: base,
    planSnapshot: plan,
    instanceId: 'here',
    claimedAt: '2026-05-04 03:02:01.123',
  })
  return { taskId: task.id, jobId: job.id, productId: product.id, path }
}

const verify = (task_id: string, more: Json = {}) =>
  owner.ok('verify_task_against_plan', { task_id, ...more })
const storedResult = async (jobId: string) =>
  (await bench.db.query('select verify_result from claude_jobs where id = $1', [jobId]))[0]?.verify_result

test('aligned: the plan is touched, criteria have evidence, the result is on the job', async () => {
  const held = await hold(
    'Change `src/a.ts`, add src/b.ts, delete src/old.ts.',
    '- `greet` is exported from src/b.ts\n- it says "Hello"\n- All tests pass\n- Invoices are archived quarterly',
  )
  await repository.commit(
    held.path,
    { 'src/a.ts': 'a\nb\n', 'src/b.ts': 'export const greet = 1\n' },
    'Add greet',
  )
  await rm(join(held.path, 'src/old.ts'))
  await repository.write(held.path, { 'src/a.ts': 'a\nb\nHello\n' })
  const [task] = await bench.db.query('select story_id from tasks where id = $1', [held.taskId])
  await owner.ok('log_test_result', { story_id: task?.story_id, content: 'x', status: 'FAILED' })
  await owner.ok('log_test_result', { story_id: task?.story_id, content: 'x', status: 'PASSED' })
  const answer = await verify(held.taskId)
  expect(answer).toMatchObject({
    result: 'aligned',
    plan_edited: false,
    files_changed: 3,
    drift_score: 0,
    commits: [{ sha: await repository.git(held.path, 'rev-parse', 'HEAD'), subject: 'Add greet' }],
    criteria: [
      { met: true, evidence: expect.stringContaining('src/b.ts') },
      { met: true, evidence: 'Found Hello in src/a.ts.' },
      { met: true, evidence: 'The newest logged test result is PASSED.' },
      { met: null },
    ],
  })
  expect(answer.report).toContain('1 commits, 3 files changed (+3 -1), 2 of them uncommitted.')
  expect(answer.report).toContain('## What this cannot judge')
  expect(await storedResult(held.jobId)).toBe('ALIGNED')
})

test('partial, divergent, empty; each replaces the stored result', async () => {
  const held = await hold('src/a.ts and src/b.ts')
  expect(await verify(held.taskId)).toMatchObject({
    result: 'empty',
    drift_score: 1,
    files_changed: 0,
    commits: [],
  })
  expect(await storedResult(held.jobId)).toBe('EMPTY')
  await repository.write(held.path, { 'docs/x.md': 'x' })
  expect(await verify(held.taskId)).toMatchObject({ result: 'divergent', files_changed: 1 })
  expect(await storedResult(held.jobId)).toBe('DIVERGENT')
  await repository.write(held.path, { 'src/b.ts': 'x' })
  await repository.git(held.path, 'add', 'src/b.ts')
  const partial = await verify(held.taskId)
  expect(partial).toMatchObject({ result: 'partial', reasoning: expect.stringContaining('src/a.ts') })
  expect(partial.report).toContain('- [ ] src/a.ts: not touched')
  expect(await storedResult(held.jobId)).toBe('PARTIAL')
})

test('the frozen plan counts, and an edit since is said', async () => {
  const held = await hold('src/a.ts')
  await owner.ok('update_task_plan', { task_id: held.taskId, implementation_plan: 'src/other.ts' })
  await repository.commit(held.path, { 'src/a.ts': 'changed\n' }, 'x')
  expect(await verify(held.taskId)).toMatchObject({ result: 'aligned', plan_edited: true })
})

test('what the base branch got meanwhile, and a file only rewritten, are not this work', async () => {
  const held = await hold('src/a.ts')
  await repository.commit(repository.clone, { 'other.ts': 'x\n' }, 'somebody else')
  await repository.commit(held.path, { 'src/a.ts': 'mine\n' }, 'mine')
  await utimes(join(held.path, 'README.md'), new Date(), new Date(2020, 1, 1))
  expect(await verify(held.taskId)).toMatchObject({
    result: 'aligned',
    files_changed: 1,
    commits: [{ subject: 'mine' }],
  })
})

test('odd file names, a binary file, and a link that leads outside', async () => {
  const held = await hold('`weird "name".ts`', '- the file has `passwords`\n- `ünïcode.txt` is there')
  await writeFile(join(repository.root, 'secret.txt'), 'passwords')
  await symlink(join(repository.root, 'secret.txt'), join(held.path, 'link.txt'))
  await repository.commit(held.path, { 'ünïcode.txt': 'x\n', 'a\nb.txt': 'x\n', 'bin.dat': 'a\0b' }, 'odd')
  const answer = await verify(held.taskId)
  expect(answer).toMatchObject({ files_changed: 4 })
  expect(answer.criteria).toMatchObject([{ met: false }, { met: true }])
})

test('hooks, filters, external diff, text conversion and fsmonitor of the repository do not run', async () => {
  const held = await hold('src/a.ts')
  const canary = join(repository.root, 'canary')
  const evil = `sh -c 'touch ${canary}'`
  for (const [key, value] of [
    ['diff.external', evil],
    ['diff.evil.textconv', evil],
    ['diff.evil.command', evil],
    ['core.fsmonitor', evil],
    ['core.pager', evil],
    ['filter.evil.clean', evil],
    ['filter.evil.process', evil],
  ] as const) {
    await repository.git(held.path, 'config', key, value)
  }
  const safe = ['-c', 'core.fsmonitor=false', '-c', 'filter.evil.clean=', '-c', 'filter.evil.process=']
  await repository.write(held.path, { '.gitattributes': '* diff=evil filter=evil\n', 'src/a.ts': 'x\n' })
  await repository.git(held.path, ...safe, 'add', '-A')
  await repository.git(held.path, ...safe, 'commit', '-qm', 'x')
  // In the same moment and of the same size: git must compare contents, which is where a filter would run.
  await repository.git(held.path, ...safe, 'add', '-A')
  await repository.write(held.path, { 'src/a.ts': 'y\n', 'README.md': 'hallo\n' })
  await rm(canary, { force: true })
  for (let i = 0; i < 3; i += 1) await verify(held.taskId)
  await expect(rename(canary, canary)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('worktree_path: in the worktree or the clone, nowhere else', async () => {
  const held = await hold('src/a.ts')
  await repository.commit(held.path, { 'src/a.ts': 'x\n' }, 'x')
  expect(await verify(held.taskId, { worktree_path: join(held.path, 'src') })).toMatchObject({
    files_changed: 1,
  })
  expect(await verify(held.taskId, { worktree_path: repository.clone })).toMatchObject({ files_changed: 0 })
  const other = await makeRepository()
  try {
    await symlink(other.clone, join(held.path, 'way-out'))
    for (const worktree_path of [
      other.clone,
      join(held.path, 'way-out'),
      join(held.path, '..', 'nothing-here'),
      `${held.path}-other`,
      'relative',
      '/',
    ]) {
      expect(await owner.fails('verify_task_against_plan', { task_id: held.taskId, worktree_path })).toMatch(
        /^VALIDATION_ERROR: worktree_path must be a directory in the worktree/,
      )
    }
  } finally {
    await other.remove()
  }
})

test('without a job here: CONFLICT, or the clone against its default branch', async () => {
  const held = await hold('src/a.ts')
  bench.activeJobs.delete(held.taskId)
  expect(await owner.fails('verify_task_against_plan', { task_id: held.taskId })).toMatch(
    /^CONFLICT: .*wait_for_job/,
  )
  await repository.git(repository.clone, 'switch', '-qc', 'feature')
  await repository.commit(repository.clone, { 'src/a.ts': 'x\n' }, 'x')
  const answer = await verify(held.taskId, { worktree_path: repository.clone })
  expect(answer).toMatchObject({ result: 'aligned', plan_edited: false })
  expect(answer.report).toContain('no job is held here')
  expect(await storedResult(held.jobId)).toBeNull()
})

test.each([
  ['status', "update claude_jobs set status = 'CANCELLED' where id = $1"],
  ['claimed_at', "update claude_jobs set claimed_at = claimed_at + interval '1 ms' where id = $1"],
  ['instance', "update claude_jobs set worker_instance_id = 'there' where id = $1"],
])('a claim that is no longer ours (%s) is not written to', async (_what, sql) => {
  const held = await hold('src/a.ts')
  await bench.db.query(sql, [held.jobId])
  expect(await owner.fails('verify_task_against_plan', { task_id: held.taskId })).toMatch(
    /^OWNERSHIP_LOST: .*empty/,
  )
  expect(await storedResult(held.jobId)).toBeNull()
})

test('a directory git cannot read is WORKTREE_FAILED', async () => {
  const held = await hold('src/a.ts')
  await rm(join(held.path, '.git'))
  expect(await owner.fails('verify_task_against_plan', { task_id: held.taskId })).toMatch(
    /^WORKTREE_FAILED: /,
  )
})

test('1,200 changed files and a large change stay readable', async () => {
  const held = await hold('src/a.ts')
  const many = Object.fromEntries(Array.from({ length: 1_200 }, (_, i) => [`gen/f${i}.ts`, `line ${i}\n`]))
  await repository.commit(held.path, { ...many, 'big.txt': 'long line\n'.repeat(30_000) }, 'generated')
  const answer = await verify(held.taskId)
  expect(answer).toMatchObject({ result: 'divergent', files_changed: 1_201 })
  expect(answer.report).toContain('large changes were not read')
  expect(JSON.stringify(answer).length).toBeLessThan(40_000)
})

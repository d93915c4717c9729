import { existsSync } from 'node:fs'
import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Judge, Verdict } from '../../daemon/worktrees/reconcile.ts'
import type { Worktrees } from '../../daemon/worktrees/worktrees.ts'
import { Workspace } from './support/workspace.ts'

let space: Workspace
let engine: Worktrees
beforeEach(async () => {
  ;({ space, engine } = await Workspace.withEngine())
})
afterEach(() => space.close())

const create = async (jobId: string) => (await engine.create({ jobId, repoRoot: space.clone })).path
/** Ids that begin with `done` have ended, with `active` run; nobody knows others. */
const judge: Judge = async (jobIds) =>
  new Map(
    jobIds.flatMap((jobId): [string, Verdict][] => {
      if (jobId.startsWith('done'))
        return [[jobId, { action: 'remove', branch: 'delete', reason: 'ended', ended: 'FAILED' }]]
      if (jobId.startsWith('active')) return [[jobId, { action: 'keep', reason: 'runs' }]]
      return []
    }),
  )
const names = (entries: { readonly path: string }[]) => entries.map(({ path }) => basename(path)).sort()
const branches = () => space.git(space.clone, 'branch', '--list', 'feat/*', '--format=%(refname:short)')

test('every directory is in exactly one list, and only what ended is removed', async () => {
  await create('active-1')
  await create('done-clean')
  const dirty = await create('done-dirty')
  await writeFile(join(dirty, 'work.txt'), 'work')
  await create('stranger')
  await mkdir(join(space.parent, 'done-empty'))
  await mkdir(join(space.parent, 'done-full'))
  await writeFile(join(space.parent, 'done-full/file'), 'not in git')
  await mkdir(join(space.parent, 'done-own-repository'))
  await space.git(join(space.parent, 'done-own-repository'), 'init', '--quiet')
  await mkdir(join(space.parent, 'not a job id'))
  const before = (await readdir(space.parent)).filter((name) => !name.startsWith('.'))

  const result = await engine.reconcile(judge, [], 'remove ended')
  expect(names(result.removed)).toEqual(['done-clean', 'done-dirty', 'done-empty'])
  expect(names(result.kept)).toEqual(['active-1'])
  expect(names(result.skipped)).toEqual(['done-full', 'done-own-repository', 'not a job id', 'stranger'])
  expect([...names(result.removed), ...names(result.kept), ...names(result.skipped)].sort()).toEqual(
    before.sort(),
  )
  const own = result.skipped.find(({ path }) => basename(path) === 'done-own-repository')
  expect(own?.reason).toMatch(/a repository of its own/)
  for (const entry of [...result.removed, ...result.kept, ...result.skipped]) {
    expect(entry.reason).not.toBe('')
    const isKnown = !['not a job id', 'stranger'].includes(basename(entry.path))
    expect(entry.job_id).toBe(isKnown ? basename(entry.path) : null)
  }
  const saved = result.removed.find(({ job_id }) => job_id === 'done-dirty')
  expect(saved?.salvage_ref).toBe('refs/scrum4me/salvage/done-dirty/1')
  expect(await space.git(space.clone, 'show', `${saved?.salvage_ref}:work.txt`)).toBe('work')
  expect(existsSync(dirty)).toBe(false)

  const again = await engine.reconcile(judge, [], 'remove ended')
  expect(again.removed).toEqual([])
  expect(names(again.kept)).toEqual(['active-1'])
})

test('a home that is a copy, with a directory of its own, leaves alone what the first one works in', async () => {
  const path = await create('done-there')
  await writeFile(join(path, 'work.txt'), 'work')
  const stateDir = join(space.dir, 'copied-state')
  await cp(space.state, stateDir, { recursive: true })
  const copy = space.engine({ instanceId: 'the-copy', parentDir: join(space.dir, 'other'), stateDir })
  const result = await copy.reconcile(judge, [], 'remove ended')
  expect(result.removed).toEqual([])
  expect(await readFile(join(path, 'work.txt'), 'utf8')).toBe('work')

  // Nor does it touch the branch that was reported.
  await space.git(path, 'add', '-A')
  await space.git(path, 'commit', '--quiet', '-m', 'work')
  const branch = await branches()
  await engine.remove({ jobId: 'done-there', branch: 'keep', reportedBranch: branch })
  expect((await copy.reconcile(judge, [], 'remove ended')).removed).toEqual([])
  expect(await branches()).toBe(branch)
  expect(await copy.list()).toEqual([])
})

test('what was made before the worktree directory was another one is removed from there', async () => {
  const path = await create('done-before')
  const moved = space.engine({ parentDir: join(space.dir, 'other') })
  const result = await moved.reconcile(judge, [], 'leave')
  expect(result.removed).toMatchObject([{ job_id: 'done-before' }])
  expect(existsSync(path)).toBe(false)
})

test('a person’s own worktrees and another installation’s are left alone', async () => {
  const mine = join(space.dir, 'my own worktree')
  await space.git(space.clone, 'worktree', 'add', '--quiet', '-b', 'mine', mine)
  const other = space.engine({ instanceId: 'other-installation', stateDir: join(space.dir, 'other-state') })
  await other.create({ jobId: 'done-other', repoRoot: space.clone })
  await create('done-1')
  const result = await engine.reconcile(judge, [], 'remove ended')
  expect(names(result.removed)).toEqual(['done-1'])
  expect(result.skipped).toMatchObject([{ job_id: 'done-other' }])
  expect(result.skipped[0]?.reason).toContain('other-installation')
  const list = await space.git(space.clone, 'worktree', 'list')
  expect(list).toContain(mine)
  expect(list).toContain('done-other')
})

test('our records lost: found again by the marker', async () => {
  const path = await create('done-lost-records')
  await writeFile(join(path, 'work.txt'), 'work')
  await create('active-lost-again')
  await engine.stop()
  await rm(space.state, { recursive: true })
  engine = space.engine()
  const result = await engine.reconcile(judge, [space.clone], 'remove ended')
  expect(names(result.removed)).toEqual(['done-lost-records'])
  expect(result.removed[0]?.salvage_ref).toBe('refs/scrum4me/salvage/done-lost-records/1')
  expect(names(result.kept)).toEqual(['active-lost-again'])
  expect(await branches()).toBe('feat/job-st-again')
  // The printed command finds it, though no record names the clone any more.
  const restored = await engine.restore({ jobId: 'done-lost-records' })
  expect(await readFile(join(restored.path, 'work.txt'), 'utf8')).toBe('work')
})

test('our records lost: a commit that only another local branch holds is saved before the branch goes', async () => {
  const path = await create('done-shared-commit')
  await space.commit(path, 'work.txt', 'committed, not pushed')
  await space.git(space.clone, 'branch', 'copy', 'feat/job-d-commit')
  await engine.stop()
  await rm(space.state, { recursive: true })
  engine = space.engine()
  const { removed } = await engine.reconcile(judge, [space.clone], 'leave')
  expect(removed).toMatchObject([{ salvage_ref: 'refs/scrum4me/salvage/done-shared-commit/1' }])
})

test('our records lost after everything was saved: the saves are found again', async () => {
  await writeFile(join(await create('done-before'), 'work.txt'), 'work')
  await engine.remove({ jobId: 'done-before', branch: 'delete' })
  await engine.stop()
  await rm(space.state, { recursive: true })
  engine = space.engine()
  expect(await engine.saved()).toEqual([])
  await engine.reconcile(judge, [space.clone], 'remove ended')
  expect(await engine.saved()).toMatchObject([{ jobId: 'done-before', n: 1 }])
  await engine.restore({ jobId: 'done-before' })
})

const addUnmarked = async (jobId: string) => {
  const path = join(space.parent, jobId)
  await mkdir(space.parent, { recursive: true })
  await space.git(space.clone, 'worktree', 'add', '--quiet', '-b', `feat/job-${jobId.slice(-8)}`, path)
  await writeFile(join(path, 'work.txt'), 'work')
  return path
}

test('an unmarked worktree of a job that ended, as an earlier tool made them: left alone until somebody asks', async () => {
  const path = await addUnmarked('done-unmarked')
  const left = await engine.reconcile(judge, [space.clone], 'leave')
  expect(left).toMatchObject({ removed: [], kept: [], skipped: [{ job_id: 'done-unmarked' }] })
  expect(existsSync(join(path, 'work.txt'))).toBe(true)

  const asked = await engine.reconcile(judge, [space.clone], 'remove ended')
  expect(asked.removed).toMatchObject([
    { job_id: 'done-unmarked', salvage_ref: 'refs/scrum4me/salvage/done-unmarked/1' },
  ])
  expect(await branches()).toBe('')
  expect(await space.git(space.clone, 'worktree', 'list')).not.toContain(path)
})

test('a branch that is not named like the job’s is a person’s, and stays', async () => {
  const path = await addUnmarked('done-on-mine')
  await space.git(path, 'switch', '--quiet', '--create', 'mine')
  const { removed } = await engine.reconcile(judge, [space.clone], 'remove ended')
  expect(removed).toMatchObject([{ job_id: 'done-on-mine' }])
  expect(await space.git(space.clone, 'branch', '--list', 'mine', '--format=%(refname:short)')).toBe('mine')
})

test('an unmarked worktree of a job that another worker has stays with its branch', async () => {
  const path = await addUnmarked('elsewhere-1')
  const elsewhere: Judge = async (ids) =>
    new Map(
      ids.map((id) => [id, { action: 'remove', branch: 'delete', reason: 'another has it', ended: null }]),
    )
  for (const unmarked of ['leave', 'remove ended'] as const) {
    expect((await engine.reconcile(elsewhere, [space.clone], unmarked)).removed).toEqual([])
    expect(existsSync(join(path, 'work.txt'))).toBe(true)
  }
  expect(await branches()).toBe('feat/job-ewhere-1')
})

test('an unmarked worktree of a job that is done goes, and its branch stays', async () => {
  await addUnmarked('other-done')
  const done: Judge = async (ids) =>
    new Map(ids.map((id) => [id, { action: 'remove', branch: 'delete', reason: 'done', ended: 'DONE' }]))
  const { removed } = await engine.reconcile(done, [space.clone], 'remove ended')
  expect(removed).toMatchObject([{ job_id: 'other-done' }])
  expect(await branches()).toBe('feat/job-her-done')
})

test('directory gone, registration left; registration gone, directory left', async () => {
  const gone = await create('done-directory-gone')
  await space.commit(gone, 'only-here.txt', 'committed, not pushed')
  const tip = await space.git(gone, 'rev-parse', 'HEAD')
  await rm(gone, { recursive: true })
  const lost = await create('done-registration-gone')
  await space.commit(lost, 'committed.txt', 'committed, not pushed')
  await writeFile(join(lost, 'work.txt'), 'work')
  await rm(join(space.clone, '.git/worktrees/done-registration-gone'), { recursive: true })

  // Nor does it help that the directory names another clone's registration, which is there.
  const turned = await create('done-turned-away')
  await writeFile(join(turned, 'work.txt'), 'work')
  const other = join(space.dir, 'other')
  await space.git(space.dir, 'clone', '--quiet', space.origin, other)
  await space.git(other, 'worktree', 'add', '--quiet', '--detach', join(space.dir, 'others'))
  await writeFile(join(turned, '.git'), `gitdir: ${other}/.git/worktrees/others\n`)
  await rm(join(space.clone, '.git/worktrees/done-turned-away'), { recursive: true })

  const result = await engine.reconcile(judge, [], 'remove ended')
  const removed = ['done-directory-gone', 'done-registration-gone', 'done-turned-away']
  expect(names(result.removed)).toEqual(removed)
  const [first, second, third] = result.removed
  expect(await space.git(space.clone, 'show', `${third?.salvage_ref}:work.txt`)).toBe('work')
  expect(await space.git(other, 'worktree', 'list')).toContain('others')
  expect(await space.git(space.clone, 'log', '--format=%H', '-1', `${first?.salvage_ref}^1`)).toBe(tip)
  expect(await space.git(space.clone, 'show', `${second?.salvage_ref}:work.txt`)).toBe('work')
  // As it was on its branch: nothing but that file differs, and nothing is staged.
  const differs = (to: string) =>
    space.git(space.clone, 'diff', '--name-only', `${second?.salvage_ref}^1`, `${second?.salvage_ref}${to}`)
  expect([await differs(''), await differs('^2')]).toEqual(['work.txt', ''])
  expect(await branches()).toBe('')
  expect(await space.git(space.clone, 'worktree', 'list', '--porcelain')).not.toContain('done-')
})

test('what cannot be saved stays, with the reason', async () => {
  engine = space.engine({ salvageMaxBytes: 10 })
  const path = await create('done-large')
  await writeFile(join(path, 'large.txt'), 'more than ten bytes')
  const result = await engine.reconcile(judge, [], 'remove ended')
  expect(result.kept).toMatchObject([{ job_id: 'done-large' }])
  expect(result.kept[0]?.reason).toContain('SCRUM4ME_SALVAGE_MAX_BYTES')
  expect(existsSync(join(path, 'large.txt'))).toBe(true)
  expect(await engine.list()).toMatchObject([{ jobId: 'done-large', state: 'kept', dirty: true }])
})

test('a job claimed between the judgement and its turn keeps its worktree', async () => {
  const path = await create('done-then-claimed')
  let asked = 0
  const changing: Judge = async (jobIds) => {
    asked += 1
    if (asked === 1) return judge(jobIds)
    return new Map([['done-then-claimed', { action: 'keep', reason: 'claimed again' }]])
  }
  const result = await engine.reconcile(changing, [], 'remove ended')
  expect(result.kept).toMatchObject([{ job_id: 'done-then-claimed', reason: 'claimed again' }])
  expect(existsSync(path)).toBe(true)
})

test('records that cannot be read are told as long as that is so, and what they were about is saved', async () => {
  const path = await create('done-torn')
  await writeFile(join(path, 'work.txt'), 'work')
  await engine.stop()
  const jobs = join(space.state, 'worktrees/jobs')
  await writeFile(join(jobs, 'done-torn.json'), '\0'.repeat(300))

  await rename(jobs, `${jobs}-aside`)
  await writeFile(jobs, '')
  const next = space.engine()
  await expect(next.reconcile(judge, [space.clone], 'leave')).rejects.toThrow('EEXIST')
  expect(next.faults).toEqual([expect.stringContaining(`${jobs} cannot be read: EEXIST`)])

  await rm(jobs)
  await rename(`${jobs}-aside`, jobs)
  await next.list()
  expect(next.faults).toEqual([`${join(jobs, 'done-torn.json')} cannot be read`])
  const { removed } = await next.reconcile(judge, [space.clone], 'leave')
  expect(removed.map(({ salvage_ref }) => salvage_ref)).toEqual(['refs/scrum4me/salvage/done-torn/1'])
  expect(next.faults).toEqual([])
})

import { readdir, realpath } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DaemonError, notFound } from '../../errors.ts'
import { stopped } from '../../lock/unless-aborted.ts'
import type { Engine } from '../engine.ts'
import { commitOf } from '../git/refs.ts'
import { findAdminDir } from '../git/registration.ts'
import { onClone, type Repository } from '../git/repository.ts'
import { checkJobId } from '../layout.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { markerText } from '../marker.ts'
import { fromGit } from '../worktree-error.ts'
import { MANIFEST, type Manifest } from './manifest.ts'
import { refill } from './refill.ts'
import { knownClones, type SavedWork, savedIn } from './saved-work.ts'
import { takeBackRestores } from './take-back-restores.ts'
import { WorktreeGit } from './worktree-git.ts'

export interface RestoreRequest {
  readonly jobId: string
  /** Which save; default the newest. */
  readonly n?: number | undefined
  /** Where to; default beside the worktrees. Nothing but an empty directory may be there. */
  readonly path?: string | undefined
}

export interface Restored {
  readonly path: string
  readonly branch: string
  readonly ref: string
  /** What a person should know: stashes, other commits, what could not come back. */
  readonly notes: readonly string[]
}

/** A save as its commits are read. */
export interface SaveCommits {
  readonly ref: string
  readonly work: string
  readonly state: string
  readonly manifest: Manifest
}

/**
 * Brings saved work back as a branch in a new worktree: the same commit, the same index, the same bytes on disk.
 * The worktree is the person's, not ours: not locked, never reconciled. The save stays until it is dropped.
 */
export async function restore(engine: Engine, request: RestoreRequest): Promise<Restored> {
  const { repository, saved } = await findSave(engine, request)
  const path = await freePlace(engine, request)
  const save = await readSave(engine, repository, saved.ref)
  const start = save.manifest.head ?? save.work
  const call = onClone(repository, engine.stopping)
  const inPlace = { ...call, dir: path }
  const reason = markerText({ instanceId: engine.instanceId, kind: 'restore', id: request.jobId })
  try {
    const branch = await engine.lock.run(repository.commonDir, engine.stopping, async () => {
      const name = await freeBranch(engine, repository, save.manifest)
      const options = ['--quiet', '--detach', '--no-checkout', '--lock', '--reason', reason]
      await engine.git.run(call, 'worktree', 'add', ...options, path, start)
      await engine.git.run(inPlace, 'symbolic-ref', 'HEAD', `refs/heads/${name}`)
      // Made through HEAD: a branch that a crash leaves behind is one that its worktree names. A save without a HEAD
      // had a branch that was not born yet, and has it again.
      if (save.manifest.head !== null)
        await engine.git.run(inPlace, 'update-ref', 'HEAD', start, repository.zeroId)
      return name
    })
    const adminDir = await findAdminDir(repository.commonDir, await realpath(path))
    if (adminDir === null) throw new Error(`git does not know the worktree ${path} that it just made`)
    const git = new WorktreeGit(engine.git, { repository, adminDir, path }, engine.stopping)
    const notes = await refill(engine, git, save)
    await engine.lock.run(repository.commonDir, engine.stopping, () =>
      engine.git.run(call, 'worktree', 'unlock', path),
    )
    return { path, branch, ref: saved.ref, notes }
  } catch (error) {
    // Stopping leaves it to the next start.
    if (engine.stopping.aborted) throw stopped(engine.stopping)
    const own = await realpath(path).catch(() => path)
    await takeBackRestores(engine, repository, request.jobId, own)
    throw fromGit('restoring the work', error)
  }
}

async function findSave(
  engine: Engine,
  request: RestoreRequest,
): Promise<{ repository: Repository; saved: SavedWork }> {
  const jobId = checkJobId(request.jobId)
  let unread: unknown
  for (const repository of await knownClones(engine)) {
    const saves = await savedIn(engine, repository, jobId).catch((error: unknown) => {
      unread ??= error
      return []
    })
    const saved = request.n === undefined ? saves.at(-1) : saves.find(({ n }) => n === request.n)
    if (saved !== undefined) return { repository, saved }
  }
  // It may be in that clone.
  if (unread !== undefined) throw fromGit('looking for the saved work', unread)
  throw notFound('Saved work of job', request.n === undefined ? jobId : `${jobId} number ${request.n}`)
}

async function freePlace(engine: Engine, request: RestoreRequest): Promise<string> {
  const parent = await engine.layout.open()
  if (request.path !== undefined) {
    const path = resolve(request.path)
    const there = await lstatOrNull(path)
    if (there === null || (there.isDirectory() && (await readdir(path)).length === 0)) return path
    throw new DaemonError('CONFLICT', `${path} is not empty; nothing was restored`, 'Name another path.')
  }
  for (let count = 1; ; count += 1) {
    const path = join(parent, `${request.jobId}-restored${count === 1 ? '' : `-${count}`}`)
    if ((await lstatOrNull(path)) === null) return path
  }
}

/** The branch it was on if that name is free, else one beside it: an existing branch is never reused. */
async function freeBranch(engine: Engine, repository: Repository, manifest: Manifest): Promise<string> {
  const wanted = manifest.branch ?? `restored/${manifest.job}`
  const call = onClone(repository, engine.stopping)
  const isFree = async (name: string) => (await commitOf(engine.git, call, `refs/heads/${name}`)) === null
  if (await isFree(wanted)) return wanted
  for (let count = 1; ; count += 1) {
    const name = `${wanted}-restored${count === 1 ? '' : `-${count}`}`
    if (await isFree(name)) return name
  }
}

async function readSave(engine: Engine, repository: Repository, ref: string): Promise<SaveCommits> {
  const call = onClone(repository, engine.stopping)
  const line = await engine.git.text(call, 'rev-list', '--parents', '--max-count=1', ref)
  const [work = '', ...parents] = line.split(' ')
  const state = parents.at(-1) ?? ''
  const { stdout } = await engine.git.run(call, 'cat-file', 'blob', `${state}:manifest.json`)
  const manifest = MANIFEST.safeParse(JSON.parse(stdout.toString()))
  if (manifest.success) return { ref, work, state, manifest: manifest.data }
  throw new DaemonError(
    'INTERNAL',
    `${ref} was saved by another version of this daemon`,
    `Its files are in the commit: git checkout -b saved ${ref}`,
    manifest.error,
  )
}

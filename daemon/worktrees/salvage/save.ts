import { join } from 'node:path'
import { codeOf, messageOf } from '../../errors.ts'
import { freeBytes } from '../disk.ts'
import type { Engine } from '../engine.ts'
import { GitError } from '../git/git-error.ts'
import { findAdminDir } from '../git/registration.ts'
import type { Repository } from '../git/repository.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { type CommitsHere, commitsHere } from './commits.ts'
import { type Ignored, ignoredFiles } from './ignored.ts'
import { bundleSource, type NestedWork, nestedWork } from './nested.ts'
import { ObjectWriter } from './object-writer.ts'
import { isInterrupted, largeBytes, mentionedIds, type StateFile, stateFiles } from './state-files.ts'
import { adminStamp, type Survey, survey } from './survey.ts'
import { treePrint } from './tree-print.ts'
import { Unreadable } from './unreadable.ts'
import { WorktreeGit } from './worktree-git.ts'
import { writeSave } from './write-save.ts'

/** Whose work is saved; a job, or a spare that somebody worked in. */
export interface SaveSubject {
  readonly jobId: string
  readonly repoRoot: string
  readonly commonDir: string
  /** Where the clone knows it (a real path). */
  readonly path: string
  readonly branch: string
  readonly baseSha: string | null
  readonly createdAt: string
  readonly prepared?: Readonly<Record<string, string>> | undefined
}

export interface Saved {
  /** Null: there was nothing to save, or it could not be saved. */
  readonly ref: string | null
  /** The tip of the job's branch that was looked at; one that moved since is not safe. */
  readonly branchTip: string | null
  readonly ignored: Ignored | null
  /** Set: the worktree holds something that could not be saved, so all of it must stay. */
  readonly keptBecause: string | null
  /** Whether the worktree is as it was looked at, its files being at `path` now: then nothing was written meanwhile. */
  readonly isStillSo: (path: string) => Promise<boolean>
}

const ATTEMPTS = 3
/** Room for trees, commits and git's own bookkeeping, bytes. */
const SPARE_ROOM = 16 * 2 ** 20

/** Saves everything in a worktree that is not elsewhere, changing nothing in it. Never throws for a reason to keep it. */
export async function save(engine: Engine, repository: Repository, subject: SaveSubject): Promise<Saved> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await attemptSave(engine, repository, subject, attempt > 1)
    } catch (error) {
      if (engine.stopping.aborted) throw error
      if (error instanceof Unreadable) return kept(error.message)
      const why = messageOf(error)
      const isOurs = codeOf(error) === 'EACCES' && /\b(lstat|stat|scandir|opendir)\b/.test(why)
      if (isOurs) return kept(new Unreadable(why).message)
      const full = codeOf(error) === 'ENOSPC' || (error instanceof GitError && error.isDiskFull)
      // A file that vanished while it was read: somebody still writes, so look again.
      if (!full && attempt < ATTEMPTS) continue
      return kept(`saving its work failed: ${full ? 'the disk is full' : why}`)
    }
  }
}

/** @param anew what the clone has of it already is written again: it may be what could not be read back */
async function attemptSave(
  engine: Engine,
  repository: Repository,
  subject: SaveSubject,
  anew: boolean,
): Promise<Saved> {
  const adminDir = await findAdminDir(repository.commonDir, subject.path)
  if (adminDir === null) return kept('the clone does not know it as a worktree any more')
  const at = async (path: string) => {
    const isThere = (await lstatOrNull(path))?.isDirectory() === true
    return new WorktreeGit(engine.git, { repository, adminDir, path: isThere ? path : null }, engine.stopping)
  }
  const git = await at(subject.path)

  // First, so that whatever changes from here on shows when it is looked at again.
  const stamp = await adminStamp(git)
  const adminTrees = await adminPrint(engine, adminDir)
  const state = await stateFiles(adminDir, engine.salvageMaxBytes)
  const commits = await commitsHere(git, {
    ...subject,
    jobBranch: subject.branch,
    mentioned: mentionedIds(state),
  })
  const found = await survey(git, subject, { head: commits.head, stamp })
  const repositories = [...found.nested, ...found.gitlinks.keys()]
  const nestedTrees = await treePrint(engine, subject.path, repositories)
  const nested = await nestedWork(engine.git, git, found, engine.stopping)
  const base = {
    branchTip: commits.branchTip,
    isStillSo: async (path: string) =>
      (await found.isStillSo(await at(path))) &&
      (await adminPrint(engine, adminDir).catch(unlessStopped(engine))) === adminTrees &&
      (await treePrint(engine, path, repositories).catch(unlessStopped(engine))) === nestedTrees,
  }
  if (nested.keptBecause !== null) return { ...kept(nested.keptBecause), ...base }
  if (await isClean(git, found, state, commits, nested)) {
    const ignored = await ignoredFiles(engine, git)
    return { ...base, ref: null, ignored, keptBecause: null }
  }
  const refusal = await tooLarge(engine, git, found, nested, largeBytes(state))
  if (refusal !== null) return { ...kept(refusal), ...base }
  const writer = await ObjectWriter.open(git, anew)
  try {
    const ref = await writeSave(engine, { subject, git, writer, found, state, commits, nested })
    const ignored = await ignoredFiles(engine, git)
    return { ...base, ref, ignored, keptBecause: null }
  } finally {
    await writer.close()
  }
}

/** Of what else git keeps there: git directories of submodules, and what was begun and not ended. */
async function adminPrint(engine: Engine, adminDir: string): Promise<string> {
  const names = ['modules', 'rebase-apply', 'rebase-merge', 'sequencer']
  const there = await Promise.all(names.map((name) => lstatOrNull(join(adminDir, name))))
  return treePrint(
    engine,
    adminDir,
    names.filter((_name, at) => there[at] !== null),
  )
}

/** What vanishes while it is looked at has changed. */
function unlessStopped(engine: Engine): (error: unknown) => null {
  return (error) => {
    if (engine.stopping.aborted) throw error
    return null
  }
}

/** Nothing to save, told without writing anything: on a full disk clean worktrees must be able to go. */
async function isClean(
  git: WorktreeGit,
  found: Survey,
  state: readonly StateFile[],
  commits: CommitsHere,
  nested: NestedWork,
): Promise<boolean> {
  const changes = found.entries.some((entry) => entry.unchangedFrom === null)
  const elsewhere = commits.only.length + commits.stashes.length + nested.bundles.length + nested.moved.size
  if (
    commits.head === null ||
    changes ||
    elsewhere > 0 ||
    found.unmerged.length > 0 ||
    isInterrupted(state)
  ) {
    return false
  }
  const { code } = await git.run({ expect: [0, 1] }, 'diff-index', '--cached', '--quiet', 'HEAD', '--')
  return code === 0
}

function kept(reason: string): Saved {
  return { ref: null, branchTip: null, ignored: null, keptBecause: reason, isStillSo: async () => false }
}

/** Over the limit, or more than the disk has room for: better kept where it is than half saved. */
async function tooLarge(
  engine: Engine,
  git: WorktreeGit,
  found: Survey,
  nested: NestedWork,
  stateBytes: number,
): Promise<string | null> {
  const changes = found.entries.filter((entry) => entry.unchangedFrom === null)
  let bytes = changes.reduce((sum, entry) => sum + entry.size, stateBytes)
  for (const bundle of nested.bundles) {
    const { from, name } = bundleSource(git, bundle)
    bytes += (await engine.disk.usedBytes(join(from, name), engine.stopping)) ?? 0
  }
  if (bytes > engine.salvageMaxBytes) {
    return `it holds ${bytes} bytes of work, more than may be saved (${engine.salvageMaxBytes}, SCRUM4ME_SALVAGE_MAX_BYTES)`
  }
  // Bundles are written twice: as a file, then as an object.
  const needed = bytes * (nested.bundles.length > 0 ? 2 : 1) + (bytes > 0 ? SPARE_ROOM : 0)
  const free = await freeBytes(git.place.repository.commonDir)
  return needed > free ? `the disk has ${free} bytes left, too few to save ${bytes} bytes of work` : null
}

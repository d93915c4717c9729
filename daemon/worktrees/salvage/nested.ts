import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { REAL_HISTORY } from '../git/environment.ts'
import type { Git, GitCall, RunCall } from '../git/git.ts'
import { openRepository } from '../git/repository.ts'
import { withoutFilters } from '../git/safe-config.ts'
import { lstatOrNull } from '../lstat-or-null.ts'
import { type BytePath, below, fields, readable, toBytes } from './bytes.ts'
import { ifAbsent } from './if-absent.ts'
import { isOdd } from './index-listing.ts'
import type { Survey } from './survey.ts'
import { refuseUnreadable, Unreadable } from './unreadable.ts'
import { EXACT, type WorktreeGit } from './worktree-git.ts'

/** A directory tree to be packed as it is. */
export interface Bundle {
  /** `nested`: a repository with its own `.git` directory, or files in place of a submodule. `submodule`: the files of one; its git directory is in `modules`. */
  readonly kind: 'nested' | 'submodule' | 'modules'
  /** Below the worktree; empty for `modules`, which is below its administrative directory. */
  readonly path: BytePath
}

export interface NestedWork {
  readonly bundles: readonly Bundle[]
  /** Submodules that stand at another commit than the index records, all of which is elsewhere. */
  readonly moved: ReadonlyMap<BytePath, string>
  /** Set: something here can neither be packed nor be left behind. */
  readonly keptBecause: string | null
}

/**
 * Repositories inside the worktree. git would save them as a bare commit id, or not at all, and a submodule's
 * git directory goes with the worktree's. What holds nothing of its own is left out: it can be cloned again.
 */
export async function nestedWork(
  git: Git,
  worktree: WorktreeGit,
  survey: Survey,
  signal: AbortSignal,
): Promise<NestedWork> {
  const { path: root, adminDir, repository } = worktree.place
  const bundles: Bundle[] = []
  const moved = new Map<BytePath, string>()
  if (root === null) return { bundles, moved, keptBecause: null }
  if ((await lstatOrNull(join(root, '.git')))?.isDirectory()) {
    return { bundles, moved, keptBecause: 'its .git was replaced by a repository of its own' }
  }
  for (const path of [...survey.nested, ...survey.gitlinks.keys()]) {
    if (toBytes(path).equals(Buffer.from(readable(path)))) continue
    return {
      bundles,
      moved,
      keptBecause: `a repository inside it has a name that is no UTF-8 (${readable(path)})`,
    }
  }
  for (const path of survey.nested) {
    const where = readable(path)
    const own = await gitDirOf(below(root, path).toString())
    if (own?.startsWith(`${repository.commonDir}/`)) {
      return { bundles, moved, keptBecause: `another worktree of the clone lies inside it (${where})` }
    }
    if (await holdsWork(git, below(root, path).toString(), signal)) bundles.push({ kind: 'nested', path })
  }
  let modulesHoldWork = false
  for (const [path, recorded] of survey.gitlinks) {
    const directory = below(root, path).toString()
    const own = await gitDirOf(directory)
    if (own === null) {
      // No submodule was ever brought here, so whatever lies in its directory is somebody's.
      if (await holdsAnything(directory)) bundles.push({ kind: 'nested', path })
      continue
    }
    const isSubmodule = own.startsWith(`${adminDir}/modules/`)
    if (await holdsWork(git, directory, signal)) {
      bundles.push({ kind: isSubmodule ? 'submodule' : 'nested', path })
      modulesHoldWork ||= isSubmodule
      continue
    }
    const head = await git.text(
      { dir: directory, signal, expect: [0, 1, 128] },
      'rev-parse',
      '--verify',
      '--quiet',
      'HEAD',
    )
    if (head !== '' && head !== recorded) moved.set(path, head)
  }
  // A submodule whose directory is gone or no longer in the index still has its commits there.
  modulesHoldWork ||= await anyModuleHoldsCommits(git, join(adminDir, 'modules'), signal)
  if (modulesHoldWork) bundles.push({ kind: 'modules', path: '' })
  return { bundles, moved, keptBecause: null }
}

/** The git directory of the repository whose top is `directory`; null when there is none. */
async function gitDirOf(directory: string): Promise<string | null> {
  const dotGit = join(directory, '.git')
  const stats = await stat(dotGit).catch(ifAbsent(null))
  if (stats === null) return null
  if (stats.isDirectory()) return dotGit
  const match = /^gitdir: (.+?)\n*$/s.exec(await readFile(dotGit, 'utf8').catch(ifAbsent('')))
  return match?.[1] === undefined ? null : resolve(directory, match[1])
}

/** Anything in it that no remote of its own has: files, commits, stashes. In doubt: yes. */
async function holdsWork(git: Git, directory: string, signal: AbortSignal): Promise<boolean> {
  try {
    const repository = await openRepository(git, directory, signal)
    const call = {
      dir: directory,
      signal,
      // Its own configuration must not hide a change either, nor have git look for its files elsewhere.
      config: [...repository.settings, ...withoutFilters(repository.config), ...EXACT],
      env: { GIT_OPTIONAL_LOCKS: '0', GIT_WORK_TREE: directory },
    }
    const args = ['--porcelain', '--untracked-files=all', '--ignore-submodules=all']
    const changes = await git.run(call, 'status', ...args)
    refuseUnreadable(changes.stderr)
    return changes.stdout.length > 0 || (await holdsCommits(git, call)) || (await hidesFiles(git, call))
  } catch (error) {
    if (signal.aborted || error instanceof Unreadable) throw error
    return true
  }
}

/**
 * What `status` does not tell: files that git was told not to look at, and anything where a submodule of its own is
 * recorded. Not worth telling apart.
 */
async function hidesFiles(git: Git, call: GitCall): Promise<boolean> {
  const { stdout } = await git.run(call, 'ls-files', '-v', '--stage', '-z')
  const odd = fields(stdout, isOdd)
  const links = odd.filter((line) => line.startsWith('H 160000 '))
  if (odd.some((line) => !/^[HM] /.test(line))) return true
  for (const line of links) {
    if (await holdsAnything(below(call.dir, line.slice(line.indexOf('\t') + 1)).toString())) return true
  }
  return false
}

/** Anything but an empty directory. */
async function holdsAnything(path: string): Promise<boolean> {
  const stats = await lstatOrNull(path)
  if (stats === null) return false
  return !stats.isDirectory() || (await readdir(path)).length > 0
}

async function holdsCommits(git: Git, call: RunCall): Promise<boolean> {
  const tips = ['--all', '--reflog']
  const ask = (expect: readonly number[], ...more: string[]) =>
    // In a git directory HEAD is a file, too: what is no commit must not be taken for a path.
    git.run(
      { ...call, env: { ...call.env, ...REAL_HISTORY }, expect },
      'rev-list',
      '--max-count=1',
      ...tips,
      ...more,
      '--not',
      '--remotes',
      '--',
    )
  const { code, stdout, stderr } = await ask([0, 128], 'HEAD')
  if (code === 0) return stdout.length > 0
  // HEAD names no commit yet, which says nothing of other branches. Anything else is a doubt.
  return !/(bad revision|ambiguous argument) 'HEAD'/.test(stderr) || (await ask([0])).stdout.length > 0
}

async function anyModuleHoldsCommits(git: Git, modules: string, signal: AbortSignal): Promise<boolean> {
  const names = await readdir(modules, { withFileTypes: true }).catch(ifAbsent([]))
  for (const entry of names) {
    if (!entry.isDirectory()) continue
    const directory = join(modules, entry.name)
    const isGitDir = (await stat(join(directory, 'HEAD')).catch(ifAbsent(null))) !== null
    // A submodule's name may have slashes: then its git directory is further down.
    if (!isGitDir && (await anyModuleHoldsCommits(git, directory, signal))) return true
    if (!isGitDir) continue
    try {
      // Its files may be gone: core.worktree would lead nowhere.
      const env = { GIT_DIR: directory, GIT_WORK_TREE: directory }
      if (await holdsCommits(git, { dir: directory, signal, env })) return true
    } catch (error) {
      if (signal.aborted) throw error
      return true
    }
    if (await anyModuleHoldsCommits(git, join(directory, 'modules'), signal)) return true
  }
  return false
}

/** Where a bundle is on disk: the directory to pack from, and the name in it. */
export function bundleSource(worktree: WorktreeGit, bundle: Bundle): { from: string; name: string } {
  const { path, adminDir } = worktree.place
  if (bundle.kind === 'modules') return { from: adminDir, name: 'modules' }
  return { from: path ?? '', name: readable(bundle.path) }
}

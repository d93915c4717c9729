import { readdir, readFile, rmdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import type { Engine } from './engine.ts'
import { commitOf } from './git/refs.ts'
import { onClone, type Repository } from './git/repository.ts'
import type { Found } from './inventory.ts'
import type { JobRecord } from './job-record.ts'
import { branchOf, isBranchOf } from './layout.ts'
import { lstatOrNull } from './lstat-or-null.ts'
import { markerText } from './marker.ts'
import { reregister } from './reregister.ts'
import { knownClones } from './salvage/saved-work.ts'

/**
 * A record for a directory that has none (our records were lost, or an earlier tool made it), so that it can be
 * saved and removed like any other. Its branch counts as the job's only if it is named like one.
 * A text instead: why it cannot be.
 */
export async function adopt(
  engine: Engine,
  found: Found,
  clones: readonly string[],
): Promise<JobRecord | string> {
  if (found.listed !== null) {
    return record(found, found.listed.repository, found.listed.worktree.branch)
  }
  const dotGit = await lstatOrNull(join(found.path, '.git'))
  if (dotGit?.isDirectory() === true) return 'it is a repository of its own; remove it by hand'
  if (dotGit === null) {
    return (await readdir(found.path)).length === 0
      ? 'empty'
      : 'it is no worktree of any known clone, so its files cannot be saved; remove it by hand'
  }
  const repository = await cloneOf(engine, found.path, clones)
  if (repository === null) return 'it is a worktree of a clone that is not known here; remove it by hand'
  const branch = await jobBranch(engine, repository, found.name)
  const reason = markerText({ instanceId: engine.instanceId, kind: 'job', id: found.name })
  const lost = { repoRoot: repository.root, path: found.path, branch, baseSha: null, reason }
  if (!(await reregister(engine, lost))) return 'its registration is lost and could not be made again'
  return record(found, repository, branch)
}

/** Removes an empty directory; true when it is gone. */
export function removeEmpty(path: string): Promise<boolean> {
  return rmdir(path).then(
    () => true,
    () => false,
  )
}

async function record(found: Found, repository: Repository, branch: string | null): Promise<JobRecord> {
  const born = (await lstatOrNull(found.path))?.birthtime ?? new Date(0)
  return {
    jobId: found.name,
    phase: 'ready',
    repoRoot: repository.root,
    commonDir: repository.commonDir,
    path: found.path,
    branch: branch !== null && isBranchOf(branch, found.name) ? branch : branchOf(found.name),
    baseSha: null,
    baseFetched: false,
    warnings: [],
    createdAt: born.toISOString(),
    removal: null,
    keptReason: null,
    trashPath: null,
    savedTip: null,
  }
}

/** The known clone whose `worktrees/` the directory's `.git` file names. */
async function cloneOf(engine: Engine, path: string, clones: readonly string[]): Promise<Repository | null> {
  const text = await readFile(join(path, '.git'), 'utf8').catch(() => '')
  const admin = resolve(path, /^gitdir: (.+?)\n*$/s.exec(text)?.[1] ?? '')
  const directory = dirname(admin)
  if (basename(directory) !== 'worktrees') return null
  const known = await knownClones(engine, clones)
  return known.find(({ commonDir }) => commonDir === dirname(directory)) ?? null
}

async function jobBranch(engine: Engine, repository: Repository, jobId: string): Promise<string | null> {
  const name = branchOf(jobId)
  const tip = await commitOf(engine.git, onClone(repository, engine.stopping), `refs/heads/${name}`)
  return tip === null ? null : name
}

import { access, constants } from 'node:fs/promises'
import type { RepoRoot, RepoRoots } from '../../config/repo-roots.ts'
import { messageOf } from '../../errors.ts'
import { recordedDefault } from '../../worktrees/git/default-branch.ts'
import { UPLOAD_PACK } from '../../worktrees/git/fetch.ts'
import type { Git } from '../../worktrees/git/git.ts'
import { GitError } from '../../worktrees/git/git-error.ts'
import { hasCommit } from '../../worktrees/git/refs.ts'
import { onClone, openRepository, type Repository } from '../../worktrees/git/repository.ts'
import { refusal } from '../../worktrees/git/safe-config.ts'
import { type Check, fail, ok, skip, warn, within } from './check.ts'

const FETCH_MS = 30_000
const CLONE_MS = FETCH_MS + 10_000
const AT_ONCE = 4

/** Each clone: readable, writable, and its origin answers a fetch with the daemon's own keys. */
export async function cloneChecks(
  roots: RepoRoots,
  git: Git,
  onAnswered: (clone: Repository) => void,
): Promise<readonly Check[]> {
  const known = [...(await roots.known())]
  if (known.length === 0)
    return [skip('clones', 'no product has a repo root here; `scrum4me-daemon init` adds one')]
  const checks: Check[] = []
  for (let from = 0; from < known.length; from += AT_ONCE) {
    const part = known.slice(from, from + AT_ONCE).map(([id, root]) => {
      const name = `clone ${id}`
      return within(name, CLONE_MS, () => cloneCheck(name, root, git, onAnswered))
    })
    checks.push(...(await Promise.all(part)).flat())
  }
  return checks
}

async function cloneCheck(
  name: string,
  { path, source }: RepoRoot,
  git: Git,
  onAnswered: (clone: Repository) => void,
): Promise<Check> {
  let repository: Repository
  try {
    repository = await openRepository(git, path)
  } catch (error) {
    return fail(
      name,
      `${path} (from ${source}) is no repository that the daemon can read: ${messageOf(error)}`,
      'Correct the repo root. On macOS, Documents, Desktop and Downloads are closed to services: clone elsewhere.',
    )
  }
  const unsafe = refusal(repository.config)
  if (unsafe !== null)
    return fail(name, `${path}: ${unsafe}`, 'Make a fresh clone; jobs are not done in this one.')
  const isWritable = await access(repository.commonDir, constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!isWritable) {
    return fail(
      name,
      `${repository.commonDir} is not writable for the daemon`,
      'Give its user access; under a system unit run `install --system` again, which adds the path.',
    )
  }
  if (!repository.hasOrigin) {
    return (await hasCommit(git, onClone(repository)))
      ? ok(name, `${path}; no origin, so its own default branch is the base`)
      : warn(name, `${path} has no commit yet`, 'Make a first commit; until then no job of it can start.')
  }
  const branch = await recordedDefault(git, repository)
  try {
    const ref = branch === null ? 'HEAD' : `refs/heads/${branch}`
    await git.run({ ...onClone(repository), deadlineMs: FETCH_MS }, ...FETCH, ref)
    onAnswered(repository)
    return ok(name, `${path}; origin answers a fetch`)
  } catch (error) {
    if (error instanceof GitError && /couldn't find remote ref/i.test(error.stderr)) {
      return warn(
        name,
        `${path}: origin answers, but has no branch ${branch ?? 'that its HEAD names'}`,
        'Jobs start from the branch that origin says is its default, else from the one fetched last; `git remote set-head origin BRANCH` names one.',
      )
    }
    return warn(
      name,
      `${path}: fetching from origin fails: ${messageOf(error)}`,
      'Jobs start from the last fetched commit until it works: check network and keys (`ssh -T`), or use a credential helper.',
    )
  }
}

/** As the daemon fetches, but changing nothing. */
const FETCH = [
  'fetch',
  '--dry-run',
  '--no-tags',
  '--no-prune',
  '--no-write-fetch-head',
  '--no-recurse-submodules',
  '--no-auto-maintenance',
  '--refmap=',
  UPLOAD_PACK,
  'origin',
]

import { access, constants } from 'node:fs/promises'
import type { RepoRoot, RepoRoots } from '../../config/repo-roots.ts'
import { type Check, fail, ok, skip, warn, within } from './check.ts'
import { runGit } from './run-git.ts'

const FETCH_MS = 30_000
const CLONE_MS = FETCH_MS + 10_000
const AT_ONCE = 4

/** Each clone: readable, writable, and its origin answers a fetch with the daemon's own keys. */
export async function cloneChecks(roots: RepoRoots): Promise<readonly Check[]> {
  const known = [...(await roots.known())]
  if (known.length === 0)
    return [skip('clones', 'no product has a repo root here; `scrum4me-daemon init` adds one')]
  const checks: Check[] = []
  for (let from = 0; from < known.length; from += AT_ONCE) {
    const part = known.slice(from, from + AT_ONCE).map(([id, root]) => {
      const name = `clone ${id}`
      return within(name, CLONE_MS, () => cloneCheck(name, root))
    })
    checks.push(...(await Promise.all(part)).flat())
  }
  return checks
}

async function cloneCheck(name: string, { path, source }: RepoRoot): Promise<Check> {
  const common = await runGit(path, ['rev-parse', '--path-format=absolute', '--git-common-dir'], FETCH_MS)
  if (common.code !== 0) {
    return fail(
      name,
      `${path} (from ${source}) is no repository that the daemon can read: ${common.stderr}`,
      'Correct the repo root. On macOS, Documents, Desktop and Downloads are closed to services: clone elsewhere.',
    )
  }
  const directory = common.stdout.trim()
  const isWritable = await access(directory, constants.W_OK).then(
    () => true,
    () => false,
  )
  if (!isWritable) {
    return fail(
      name,
      `${directory} is not writable for the daemon`,
      'Give its user access; under a system unit run `install --system` again, which adds the path.',
    )
  }
  const remote = await runGit(path, ['remote'], FETCH_MS)
  if (!remote.stdout.split('\n').includes('origin')) {
    return ok(name, `${path}; no origin, so its own default branch is the base`)
  }
  const fetched = await runGit(path, ['fetch', '--dry-run', '--quiet', '--no-tags', 'origin'], FETCH_MS)
  if (fetched.code === 0) return ok(name, `${path}; origin answers a fetch`)
  return warn(
    name,
    `${path}: fetching from origin fails: ${lastLine(fetched.stderr)}`,
    'Jobs start from the last fetched commit until it works: check network and keys (`ssh -T`), or use a credential helper.',
  )
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? ''
}

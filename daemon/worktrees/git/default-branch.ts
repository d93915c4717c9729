import { join } from 'node:path'
import { UPLOAD_PACK } from './fetch.ts'
import type { Git } from './git.ts'
import { GitError } from './git-error.ts'
import { readPlainFile } from './read-plain-file.ts'
import { onClone, type Repository, settingOf } from './repository.ts'

const REMOTE_PREFIX = 'refs/remotes/origin/'
/** Names that a default branch usually has, tried in this order in a clone without `origin`. */
const USUAL_NAMES = ['main', 'master', 'trunk', 'develop']

/** What `refs/remotes/origin/HEAD` says; null when it says nothing. No network. */
export async function recordedDefault(git: Git, repository: Repository): Promise<string | null> {
  const name = `${REMOTE_PREFIX}HEAD`
  // A symbolic ref is never packed, and a file is read sooner than a process is started.
  const target = repository.refsInFiles
    ? symbolicTargetIn((await readPlainFile(join(repository.commonDir, name), 'utf8')) ?? '')
    : await symbolicTarget(git, repository, name)
  return target?.startsWith(REMOTE_PREFIX) ? target.slice(REMOTE_PREFIX.length) : null
}

/** What origin itself says is its default branch; null when it names none. Throws GitError when it cannot be asked. */
export async function askedDefault(
  git: Git,
  repository: Repository,
  sshAuthSock: string | null | undefined,
  signal: AbortSignal | undefined,
): Promise<string | null> {
  const call = { ...onClone(repository, signal), sshAuthSock, deadlineMs: 60_000, idleMs: 30_000 }
  const answer = await git.text(call, 'ls-remote', '--symref', UPLOAD_PACK, 'origin', 'HEAD')
  return /^ref: refs\/heads\/(.+)\tHEAD$/m.exec(answer)?.[1] ?? null
}

/** The only branch ever fetched from origin, else `main`. */
export async function guessedDefault(git: Git, repository: Repository): Promise<string> {
  const fetched = await refsBelow(git, repository, REMOTE_PREFIX)
  const [only, ...others] = fetched.filter((name) => name !== 'HEAD')
  return only !== undefined && others.length === 0 ? only : 'main'
}

/**
 * The default branch of a clone that has no `origin`: its only branch, or what HEAD says in a bare one;
 * otherwise the usual names win over a branch that a person happens to have checked out.
 * Null: HEAD is detached and there is no branch at all.
 */
export async function ownDefault(git: Git, repository: Repository): Promise<string | null> {
  const branches = await refsBelow(git, repository, 'refs/heads/')
  if (branches.length <= 1) return branches[0] ?? null
  const head = (await symbolicTarget(git, repository, 'HEAD'))?.slice('refs/heads/'.length)
  const configured = settingOf(repository, 'init.defaultbranch')
  const usual = [...(configured === undefined ? [] : [configured]), ...USUAL_NAMES]
  if (head !== undefined && branches.includes(head) && (repository.bare || usual.includes(head))) return head
  return usual.find((name) => branches.includes(name)) ?? head ?? null
}

function symbolicTargetIn(text: string): string | null {
  return /^ref:\s*(\S+)\s*$/.exec(text)?.[1] ?? null
}

async function symbolicTarget(git: Git, repository: Repository, ref: string): Promise<string | null> {
  try {
    const { code, stdout } = await git.run(
      { ...onClone(repository), expect: [0, 1] },
      'symbolic-ref',
      '--quiet',
      ref,
    )
    return code === 0 ? stdout.toString().trim() : null
  } catch (error) {
    // A broken origin/HEAD is no answer, and not our business.
    if (error instanceof GitError && error.exitCode === 128) return null
    throw error
  }
}

async function refsBelow(git: Git, repository: Repository, prefix: string): Promise<string[]> {
  const output = await git.text(onClone(repository), 'for-each-ref', '--format=%(refname)', prefix)
  return output === '' ? [] : output.split('\n').map((ref) => ref.slice(prefix.length))
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { WorktreeGit } from './worktree-git.ts'

export interface Stash {
  readonly id: string
  readonly message: string
}

export interface CommitsHere {
  readonly head: string | null
  /** Short name; null when HEAD is detached. */
  readonly branch: string | null
  readonly branchTip: string | null
  /** Tips that no remote-tracking ref and not the base contains. */
  readonly only: readonly string[]
  /** Stashes made in this worktree; they are shared by the clone and stay where they are. */
  readonly stashes: readonly Stash[]
}

export interface CommitQuestion {
  /** The branch that create made. */
  readonly jobBranch: string
  readonly baseSha: string | null
  /** ISO, UTC; no older stash was made here. */
  readonly createdAt: string
  /** Object ids found in the state files of the worktree (ORIG_HEAD, an unfinished rebase). */
  readonly mentioned: readonly string[]
}

/**
 * The commits that would go with the worktree and its branch: HEAD, the branches HEAD was on, and what only
 * their reflogs remember (amended, reset away). "Elsewhere" means a remote-tracking ref: a local branch can
 * be deleted tomorrow (contract 5).
 */
export async function commitsHere(git: WorktreeGit, question: CommitQuestion): Promise<CommitsHere> {
  const head = await commit(git, 'HEAD')
  const branch = await currentBranch(git)
  const log = await readFile(join(git.place.adminDir, 'logs/HEAD'), 'latin1').catch(() => '')
  const visited = visitedNames(log)
  const branches = new Set([question.jobBranch, ...(branch === null ? [] : [branch]), ...visited.names])
  const candidates = new Set([...(head === null ? [] : [head]), ...loggedIds(log), ...question.mentioned])
  for (const name of branches) {
    const tip = await commit(git, `refs/heads/${name}`)
    if (tip !== null) candidates.add(tip)
  }
  for (const id of await reflog(git, question.jobBranch)) candidates.add(id)
  const commits = await existingCommits(git, [...candidates])
  const elsewhere =
    question.baseSha === null
      ? ['--remotes', `--exclude=${question.jobBranch}`, '--branches']
      : ['--remotes', question.baseSha]
  const wasDetached = visited.detached || branch === null
  return {
    head,
    branch,
    branchTip: await commit(git, `refs/heads/${question.jobBranch}`),
    only: await notElsewhere(git, commits, elsewhere),
    stashes: await stashesHere(git, {
      since: Math.floor(Date.parse(question.createdAt) / 1000),
      bases: candidates,
      branches,
      wasDetached,
    }),
  }
}

async function commit(git: WorktreeGit, expression: string): Promise<string | null> {
  const { code, stdout } = await git.run(
    { expect: [0, 1, 128] },
    'rev-parse',
    '--verify',
    '--quiet',
    '--end-of-options',
    `${expression}^{commit}`,
  )
  return code === 0 ? stdout.toString().trim() : null
}

async function currentBranch(git: WorktreeGit): Promise<string | null> {
  const { code, stdout } = await git.run({ expect: [0, 1, 128] }, 'symbolic-ref', '--quiet', 'HEAD')
  const ref = stdout.toString().trim()
  return code === 0 && ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null
}

/** A reflog line is `<old id> <new id> <who> <when>\t<message>`. */
function loggedIds(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) /.exec(line)
    return match === null ? [] : [match[1] ?? '', match[2] ?? '']
  })
}

function visitedNames(log: string): { names: Set<string>; detached: boolean } {
  const moves = [...log.matchAll(/\tcheckout: moving from (\S+) to (\S+)/g)].flatMap((match) => [
    match[1] ?? '',
    match[2] ?? '',
  ])
  const isId = (name: string) => /^[0-9a-f]{40,64}$/.test(name) || name.startsWith('HEAD')
  return { names: new Set(moves.filter((name) => !isId(name))), detached: moves.some(isId) }
}

async function reflog(git: WorktreeGit, branch: string): Promise<string[]> {
  const { code, stdout } = await git.run(
    { expect: [0, 128] },
    'reflog',
    'show',
    '--format=%H',
    `refs/heads/${branch}`,
    '--',
  )
  return code === 0
    ? stdout
        .toString()
        .split('\n')
        .filter((id) => id !== '')
    : []
}

/** Of these ids the ones that are commits this clone has. */
export async function existingCommits(git: WorktreeGit, ids: readonly string[]): Promise<string[]> {
  const wanted = ids.filter((id) => !/^0+$/.test(id))
  if (wanted.length === 0) return []
  const lines = await git.lines(
    { input: `${wanted.join('\n')}\n` },
    'cat-file',
    '--batch-check=%(objectname) %(objecttype)',
  )
  return lines.flatMap((line) => (line.endsWith(' commit') ? [line.slice(0, -' commit'.length)] : []))
}

async function notElsewhere(
  git: WorktreeGit,
  tips: readonly string[],
  elsewhere: readonly string[],
): Promise<string[]> {
  if (tips.length === 0) return []
  // git 2.39 wants options on the command line, before them only --stdin.
  const found = new Set(
    await git.lines({ input: `${tips.join('\n')}\n` }, 'rev-list', '--stdin', '--not', ...elsewhere),
  )
  return independent(
    git,
    tips.filter((tip) => found.has(tip)),
  )
}

/** Without those that another of them contains. */
export async function independent(git: WorktreeGit, commits: readonly string[]): Promise<string[]> {
  if (commits.length < 2) return [...commits]
  return git.lines({ expect: [0, 1] }, 'merge-base', '--independent', ...commits)
}

interface StashQuestion {
  /** Seconds. */
  readonly since: number
  readonly bases: ReadonlySet<string>
  readonly branches: ReadonlySet<string>
  readonly wasDetached: boolean
}

/**
 * Made here: not older than the worktree, on a commit that HEAD was at here, and on a branch HEAD was on here.
 * Two detached worktrees on one commit cannot be told apart; then both save it.
 */
async function stashesHere(git: WorktreeGit, question: StashQuestion): Promise<Stash[]> {
  const { code, stdout } = await git.run(
    { expect: [0, 1, 128] },
    'stash',
    'list',
    '-z',
    '--format=%H %P%x09%ct%x09%gs',
  )
  if (code !== 0) return []
  return stdout
    .toString('latin1')
    .split('\0')
    .flatMap((line) => {
      const [ids = '', time = '', message = ''] = line.split('\t')
      const [id = '', base = ''] = ids.split(' ')
      if (id === '' || Number(time) < question.since || !question.bases.has(base)) return []
      const on = /^(?:WIP on|On) (\(no branch\)|[^:]+):/.exec(message)?.[1]
      const here =
        on === undefined || (on === '(no branch)' ? question.wasDetached : question.branches.has(on))
      return here ? [{ id, message }] : []
    })
}

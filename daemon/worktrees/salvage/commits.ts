import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fields, readable, toBytes } from './bytes.ts'
import { ifAbsent } from './if-absent.ts'
import type { WorktreeGit } from './worktree-git.ts'

/** What the clone's own working tree is at, asked from a linked one. */
const MAIN = 'main-worktree/HEAD'

export interface Stash {
  readonly id: string
  readonly message: string
}

export interface CommitsHere {
  readonly head: string | null
  readonly headTree: string | null
  /** Short name; null when HEAD is detached. */
  readonly branch: string | null
  readonly branchTip: string | null
  /** Tips that no remote-tracking ref and not the base contains. */
  readonly only: readonly string[]
  /** Of the ids that were mentioned, those that are commits. */
  readonly mentioned: readonly string[]
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
  const { jobBranch, baseSha } = question
  const branch = await currentBranch(git)
  const log = await headLog(git)
  const visited = visitedNames(log)
  const branches = new Set([jobBranch, ...(branch === null ? [] : [branch]), ...visited.names])
  const ids = [...new Set([...loggedIds(log), ...question.mentioned])].filter((id) => !/^0+$/.test(id))
  const at = (ref: string) => `${ref}^{commit}`
  const tips = [...branches].map((name) => at(`refs/heads/${name}`))
  const objects = await resolve(git, ['HEAD^{tree}', at('HEAD'), at(MAIN), at('refs/stash'), ...tips, ...ids])
  const commit = (expression: string) => {
    const object = objects.get(expression)
    return object?.type === 'commit' ? object.id : null
  }
  const jobTip = commit(at(`refs/heads/${jobBranch}`))
  const logs = await reflogs(git, [
    ...(commit(at('refs/stash')) === null ? [] : ['refs/stash']),
    ...(jobTip === null ? [] : [`refs/heads/${jobBranch}`]),
  ])
  const known = [at('HEAD'), ...ids, ...tips].flatMap((expression) => commit(expression) ?? [])
  const ofBranch = logs.filter(({ ref }) => ref !== 'refs/stash').map(({ id }) => id)
  const commits = [...new Set([...known, ...ofBranch])]
  // Where it began is not known any more: what the clone itself has checked out is not the job's.
  const base = baseSha ?? commit(at(MAIN))
  const elsewhere = ['--remotes', ...(base === null ? [] : [base])]
  return {
    head: commit(at('HEAD')),
    headTree: objects.get('HEAD^{tree}')?.id ?? null,
    branch: branch === null ? null : readable(branch),
    branchTip: jobTip,
    only: await notElsewhere(
      git,
      commits.filter((id) => id !== baseSha),
      elsewhere,
    ),
    mentioned: [...new Set(question.mentioned.flatMap((id) => commit(id) ?? []))],
    stashes: stashesHere(
      logs.filter(({ ref }) => ref === 'refs/stash'),
      {
        since: Math.floor(Date.parse(question.createdAt) / 1000),
        bases: new Set([...commits, ...ids]),
        branches,
        wasDetached: visited.detached || branch === null,
      },
    ),
  }
}

/** What each expression names, if anything; all of them in one process. Expressions have no line ends in them. */
async function resolve(
  git: WorktreeGit,
  expressions: readonly string[],
): Promise<Map<string, { readonly id: string; readonly type: string }>> {
  const input = toBytes(`${expressions.join('\n')}\n`)
  const lines = await git.lines({ input }, 'cat-file', '--batch-check=%(objectname) %(objecttype)')
  if (lines.length !== expressions.length)
    throw new Error('git resolved another number of names than it was given')
  return new Map(
    lines.flatMap((line, index): [string, { id: string; type: string }][] => {
      const match = /^([0-9a-f]{40,64}) (commit|tree|blob|tag)$/.exec(line)
      const expression = expressions[index]
      return match === null || expression === undefined
        ? []
        : [[expression, { id: match[1] ?? '', type: match[2] ?? '' }]]
    }),
  )
}

/** Read where git itself keeps it, as a ref's name (`.git/HEAD` of this worktree); git is asked about anything unusual. */
async function currentBranch(git: WorktreeGit): Promise<string | null> {
  const { adminDir, repository } = git.place
  const isFile = !repository.config.some(({ key }) => key === 'extensions.refstorage')
  const text = isFile ? await readFile(join(adminDir, 'HEAD'), 'latin1').catch(ifAbsent('')) : ''
  const plain = /^ref: refs\/heads\/([^ \n]+)\n$/.exec(text)?.[1]
  if (plain !== undefined) return plain
  const { code, stdout } = await git.run({ expect: [0, 1, 128] }, 'symbolic-ref', '--quiet', 'HEAD')
  const ref = stdout.toString('latin1').trim()
  return code === 0 && ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null
}

/** The reflog of this worktree's HEAD; where git keeps it in tables, each id as the new one and the old one. */
async function headLog(git: WorktreeGit): Promise<string> {
  const { adminDir, repository } = git.place
  if (repository.refsInFiles) return readFile(join(adminDir, 'logs/HEAD'), 'latin1').catch(ifAbsent(''))
  const args = ['--walk-reflogs', '-z', '--format=%H %H %x09%gs', 'HEAD', '--']
  // 128: there is none.
  const { stdout } = await git.run({ expect: [0, 128] }, 'log', ...args)
  return fields(stdout).join('\n')
}

/** A reflog line is `<old id> <new id> <who> <when>\t<message>`. */
function loggedIds(log: string): string[] {
  return log.split('\n').flatMap((line) => {
    const match = /^([0-9a-f]{40,64}) ([0-9a-f]{40,64}) /.exec(line)
    return match === null ? [] : [match[1] ?? '', match[2] ?? '']
  })
}

function visitedNames(log: string): { names: Set<string>; detached: boolean } {
  const moves = [...log.matchAll(/\tcheckout: moving from ([^ \n]+) to ([^ \n]+)/g)].flatMap((match) => [
    match[1] ?? '',
    match[2] ?? '',
  ])
  const isId = (name: string) => /^[0-9a-f]{40,64}$/.test(name) || name.startsWith('HEAD')
  return { names: new Set(moves.filter((name) => !isId(name))), detached: moves.some(isId) }
}

interface Logged {
  readonly ref: string
  readonly id: string
  /** The first parent: of a stash, the commit it was made on. */
  readonly base: string
  /** Seconds. */
  readonly time: number
  readonly message: string
}

/** The reflogs of refs that exist, in one process; if that fails one by one, so that a broken one hides no other. */
async function reflogs(git: WorktreeGit, refs: readonly string[]): Promise<Logged[]> {
  if (refs.length === 0) return []
  const { code, stdout } = await git.run(
    { expect: [0, 1, 128] },
    'log',
    '--walk-reflogs',
    '-z',
    '--format=%gD%x09%H %P%x09%ct%x09%gs',
    ...refs,
    '--',
  )
  if (code !== 0) {
    if (refs.length === 1) return []
    return (await Promise.all(refs.map((ref) => reflogs(git, [ref])))).flat()
  }
  return fields(stdout).map((line) => {
    const [selector = '', ids = '', time = '', message = ''] = line.split('\t')
    const [id = '', base = ''] = ids.split(' ')
    return { ref: selector.replace(/@\{.*$/s, ''), id, base, time: Number(time), message }
  })
}

async function notElsewhere(
  git: WorktreeGit,
  tips: readonly string[],
  elsewhere: readonly string[],
): Promise<string[]> {
  if (tips.length === 0) return []
  // git 2.39 wants options on the command line, before them only --stdin.
  const found = new Set(
    await git.lines(
      { input: `${tips.join('\n')}\n`, real: true },
      'rev-list',
      '--stdin',
      '--not',
      ...elsewhere,
    ),
  )
  return independent(
    git,
    tips.filter((tip) => found.has(tip)),
  )
}

/** Without those that another of them contains. */
export async function independent(git: WorktreeGit, commits: readonly string[]): Promise<string[]> {
  if (commits.length < 2) return [...commits]
  return git.lines({ expect: [0, 1], real: true }, 'merge-base', '--independent', ...commits)
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
function stashesHere(stashes: readonly Logged[], question: StashQuestion): Stash[] {
  return stashes.flatMap(({ id, base, time, message }) => {
    if (time < question.since || !question.bases.has(base)) return []
    const on = /^(?:WIP on|On) (\(no branch\)|[^:]+):/.exec(message)?.[1]
    const here = on === undefined || (on === '(no branch)' ? question.wasDetached : question.branches.has(on))
    return here ? [{ id, message }] : []
  })
}

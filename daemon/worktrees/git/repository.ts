import { realpath } from 'node:fs/promises'
import type { Git, GitCall } from './git.ts'
import { GitError } from './git-error.ts'
import { type ConfigEntry, hardening, parseConfig, trustedEntries } from './safe-config.ts'
import { type ListedWorktree, parseWorktreeList } from './worktree-list.ts'

/** A clone as it was found a moment ago. */
export interface Repository {
  /** As configured; commands on the clone run here. */
  readonly root: string
  /** Real path of the directory that all worktrees of the clone share; the key of its lock. */
  readonly commonDir: string
  /** The git directory of `root` itself: the common one, unless root is a linked worktree. */
  readonly gitDir: string
  readonly bare: boolean
  /** The object id that means "no object": 40 or 64 zeros. */
  readonly zeroId: string
  /** What is said of single branches may be old by now. */
  readonly config: readonly ConfigEntry[]
  /** `-c` settings that this clone needs to be safe; part of every call on it. */
  readonly settings: readonly string[]
  readonly hasOrigin: boolean
  /** Refs are files below the common directory, or packed there; false: only git can read them. */
  readonly refsInFiles: boolean
  /** `core.sshCommand` as the user has it, not the clone. */
  readonly sshCommand: string | undefined
  /** No directory from here upwards is looked at for a repository; undefined: `root` may be inside of one. */
  readonly ceiling?: string
}

/** Throws GitError when `root` is no repository that this user may use. */
export async function openRepository(git: Git, root: string, signal?: AbortSignal): Promise<Repository> {
  const call = { dir: root, signal }
  const [answer, settings] = await Promise.all([
    git.ask(
      call,
      'rev-parse',
      '--path-format=absolute',
      '--git-common-dir',
      '--git-dir',
      '--is-bare-repository',
      '--show-object-format',
    ),
    git.ask(call, 'config', '--list', '--show-scope', '--show-origin', '-z'),
  ])
  const [commonDir, gitDir, bare, format, ...rest] = answer.trimEnd().split('\n')
  if (commonDir === undefined || gitDir === undefined || format === undefined || rest.length > 0) {
    throw new GitError('rev-parse', 0, `unexpected answer ${JSON.stringify(answer)}`)
  }
  const config = parseConfig(settings)
  return {
    root,
    commonDir: await realpath(commonDir),
    gitDir,
    bare: bare === 'true',
    zeroId: '0'.repeat(format === 'sha256' ? 64 : 40),
    config,
    settings: hardening(config),
    hasOrigin: config.some((entry) => entry.key === 'remote.origin.url'),
    refsInFiles: !config.some(({ key, value }) => key === 'extensions.refstorage' && value !== 'files'),
    sshCommand: trustedEntries(config).findLast((entry) => entry.key === 'core.sshcommand')?.value,
  }
}

/** The value that counts of a setting of the clone; undefined when it is not set. */
export function settingOf({ config }: Repository, key: string): string | undefined {
  return config.findLast((entry) => entry.key === key)?.value
}

/** How to call git on the clone itself. */
export function onClone(
  repository: Repository,
  signal?: AbortSignal,
): GitCall & { readonly config: readonly string[] } {
  const { root, settings, sshCommand, ceiling } = repository
  return { dir: root, signal, config: settings, sshCommand, ceiling }
}

/** git's exit code for an option that it does not know. */
const USAGE = 129

export async function listWorktrees(git: Git, call: GitCall): Promise<ListedWorktree[]> {
  const list = ['worktree', 'list', '--porcelain']
  try {
    return parseWorktreeList(await git.ask(call, ...list, '-z'))
  } catch (error) {
    if (!(error instanceof GitError) || error.exitCode !== USAGE) throw error
    // Before git 2.36; only a path with a line's end in it reads otherwise.
    return parseWorktreeList((await git.ask(call, ...list)).replaceAll('\n', '\0'))
  }
}

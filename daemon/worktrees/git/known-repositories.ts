import { realpath, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Git } from './git.ts'
import { openRepository, type Repository } from './repository.ts'
import { APPLE_FILES, type ConfigEntry } from './safe-config.ts'
import { SeenFiles } from './seen-files.ts'

/** Clones remembered; the one asked about first goes first. */
const MAX_KNOWN = 64
/** Where distributions and package managers put git's configuration of the whole machine. */
const SYSTEM_FILES = [
  '/etc/gitconfig',
  '/usr/local/etc/gitconfig',
  '/opt/homebrew/etc/gitconfig',
  ...APPLE_FILES,
]
/** One may appear elsewhere, where nobody here looks, ms. */
const MAX_AGE_MS = 10 * 60_000

/** A whole section of a branch with nothing unusual in it: what is left must mean the same without it. */
const BRANCH_SECTION = /(?<![^\n])\[branch "[\w./@+-]+"\]\n(?:\t[a-zA-Z]+ = [\w./@+-]+\n)*(?=\[|$)/g

interface Known {
  readonly repository: Repository
  /** Configuration files, those that are not there too, by what they say of all but branches. */
  readonly files: SeenFiles
  /** Which one the git directory is. */
  readonly directory: string
  readonly at: number
}

/**
 * Opens clones as `openRepository` does, without starting git as long as the directory is the same one and git's
 * configuration files say the same; what they say of single branches changes with every push and does not count.
 * Whatever is odd is asked anew each time: the answer decides which of the clone's programs are kept from running.
 */
export class KnownRepositories {
  readonly #git: Git
  readonly #env: Readonly<Record<string, string>>
  readonly #known = new Map<string, Known>()

  /** `env`: what git runs with. */
  constructor(git: Git, env: Readonly<Record<string, string>>) {
    this.#git = git
    this.#env = env
  }

  /** Where the clone's common directory was when it was opened last; undefined: not known, or not remembered. */
  lastCommonDir(root: string): string | undefined {
    return this.#known.get(root)?.repository.commonDir
  }

  /** Throws GitError when `root` is no repository that this user may use. */
  async open(root: string, signal?: AbortSignal): Promise<Repository> {
    const known = this.#known.get(root)
    if (known !== undefined && (await isUnchanged(known))) return known.repository
    this.#known.delete(root)
    const before = await SeenFiles.look(this.#usualFiles(root), withoutBranches)
    const repository = await openRepository(this.#git, root, signal)
    await this.#remember(repository, before)
    return repository
  }

  async #remember(repository: Repository, files: SeenFiles): Promise<void> {
    const { root, commonDir, config } = repository
    // What is included may appear, or depend on the branch, while the files that include it stay the same.
    if (config.some(({ key }) => /^include(if\..*)?\.path$/s.test(key))) return
    // A clone with its git directory in the usual place is recognised by that directory.
    const directory = await identityOf(join(root, '.git'))
    if (directory === null || directory !== (await identityOf(commonDir))) return
    // A file that git read and we did not before: nobody knows what it said then.
    const known = ({ file }: ConfigEntry) => file !== undefined && files.has(resolve(root, file))
    if (!config.every((entry) => entry.scope === 'command' || known(entry))) return
    // They said the same before git read them and after.
    if (!(await files.sayTheSame())) return
    const [oldest] = this.#known.keys()
    if (oldest !== undefined && this.#known.size >= MAX_KNOWN) this.#known.delete(oldest)
    // Should it be a repository no more, git must not go on looking in the directories above.
    const ceiling = dirname(await realpath(root))
    this.#known.set(root, { repository: { ...repository, ceiling }, files, directory, at: performance.now() })
  }

  /** Where git reads its configuration, whether something is there or not. */
  #usualFiles(root: string): string[] {
    const { HOME = '/' } = this.#env
    // As git does: an empty one counts as none.
    const userConfig = this.#env.XDG_CONFIG_HOME || join(HOME, '.config')
    return [
      join(root, '.git/config'),
      join(root, '.git/config.worktree'),
      // Would make git read another directory's configuration.
      join(root, '.git/commondir'),
      join(HOME, '.gitconfig'),
      join(userConfig, 'git/config'),
      ...SYSTEM_FILES,
    ]
  }
}

async function isUnchanged({ repository, files, directory, at }: Known): Promise<boolean> {
  if (performance.now() - at > MAX_AGE_MS) return false
  // The same place, unless a link leads there.
  const places = new Set([join(repository.root, '.git'), repository.commonDir])
  const [same, ...found] = await Promise.all([files.sayTheSame(), ...[...places].map(identityOf)])
  return same && found.every((one) => one === directory)
}

/** Which directory this is; null when it is none. */
async function identityOf(path: string): Promise<string | null> {
  const found = await stat(path).catch(() => null)
  return found?.isDirectory() ? `${found.dev}:${found.ino}` : null
}

/** Leaves out only what git itself writes for a branch; a text with continued lines is taken as it is. */
function withoutBranches(text: string): string {
  return /\\\r?\n/.test(text) ? text : text.replace(BRANCH_SECTION, '')
}

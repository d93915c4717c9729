import { mkdir, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { REAL_HISTORY } from '../git/environment.ts'
import type { Git, RunCall, RunResult } from '../git/git.ts'
import type { Repository } from '../git/repository.ts'
import { withoutFilters } from '../git/safe-config.ts'
import { alwaysQuoted } from './bytes.ts'

/**
 * Saving reads bytes as they are: no filter, no line-end conversion of our own, no trust in weakened stat
 * data; and what it writes is on the disk before anything else goes.
 */
export const EXACT: readonly string[] = [
  'core.fileMode=true',
  'core.symlinks=true',
  // Else a file that differs from a tracked one in case only is taken for it.
  'core.ignoreCase=false',
  'core.autocrlf=false',
  'core.safecrlf=false',
  'core.ignoreStat=false',
  'core.trustctime=true',
  'core.checkStat=default',
  'core.splitIndex=false',
  'core.untrackedCache=false',
  'core.quotePath=false',
  'core.fsync=all',
  'core.compression=1',
  'commit.gpgSign=false',
]

/** Hashing a gigabyte on a busy disk takes its time. */
const DEADLINE_MS = 1_800_000

/** A repository of millions of files must be saved, too; this is near what one string can hold. */
const MAX_BYTES = 500 * 1024 * 1024

export interface WorktreePlace {
  readonly repository: Repository
  /** Where the files are now; null when they are gone. */
  readonly path: string | null
  /** The worktree's own directory below the clone's `worktrees/`. */
  readonly adminDir: string
}

interface Extra {
  readonly input?: Buffer | string
  /** Another index than the worktree's own. */
  readonly index?: string
  /** Where new objects go; the clone's own are read as well, and are not written again. */
  readonly objects?: string
  /** The clone's objects are not looked at: one that is there and damaged must be written again. */
  readonly anew?: boolean
  readonly expect?: readonly number[]
  /** Commits as they are, whatever the clone puts in their place. */
  readonly real?: true
}

/** git inside one worktree, told where everything is: a `.git` file that an agent changed misleads nobody. */
export class WorktreeGit {
  readonly place: WorktreePlace
  readonly #git: Git
  readonly #signal: AbortSignal
  readonly #config: readonly string[]

  constructor(git: Git, place: WorktreePlace, signal: AbortSignal) {
    this.#git = git
    this.place = place
    this.#signal = signal
    this.#config = [...place.repository.settings, ...withoutFilters(place.repository.config), ...EXACT]
  }

  run(extra: Extra, ...args: string[]): Promise<RunResult> {
    return this.#git.run({ ...this.#call(extra), config: this.#config }, ...args)
  }

  /** With the user's own filters and line-end settings, as a checkout by hand would be. */
  withFilters(extra: Extra, ...args: string[]): Promise<RunResult> {
    return this.#git.run({ ...this.#call(extra), config: this.place.repository.settings }, ...args)
  }

  /** stdout straight into a file. */
  async toFile(file: string, ...args: string[]): Promise<void> {
    const handle = await open(file, 'w', 0o600)
    try {
      await this.#git.run({ ...this.#call({}), config: this.#config, output: handle.fd }, ...args)
    } finally {
      await handle.close()
    }
  }

  /**
   * The clone's objects seen from an empty repository in `scratch`, so that no attribute of the work tree, of the
   * clone's `info/attributes` or of the user changes a byte.
   */
  async bare(scratch: string, extra: Extra, ...args: string[]): Promise<RunResult> {
    const { commonDir, zeroId } = this.place.repository
    const gitDir = join(scratch, 'bare')
    const workTree = join(scratch, 'empty')
    await mkdir(join(gitDir, 'objects/info'), { recursive: true })
    await mkdir(join(gitDir, 'refs'), { recursive: true })
    await mkdir(workTree, { recursive: true })
    await writeFile(join(gitDir, 'HEAD'), 'ref: refs/heads/none\n')
    await writeFile(join(gitDir, 'objects/info/alternates'), `${join(commonDir, 'objects')}\n`)
    const config =
      zeroId.length === 64
        ? '[core]\n\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n'
        : '[core]\n\trepositoryformatversion = 0\n'
    await writeFile(join(gitDir, 'config'), config)
    const call = this.#call(extra)
    return this.#git.run(
      {
        ...call,
        dir: workTree,
        config: [...EXACT, 'core.attributesFile=/dev/null'],
        env: { ...call.env, GIT_DIR: gitDir, GIT_WORK_TREE: workTree, GIT_ATTR_NOSYSTEM: '1' },
      },
      ...args,
    )
  }

  async text(extra: Extra, ...args: string[]): Promise<string> {
    return (await this.run(extra, ...args)).stdout.toString('latin1').trim()
  }

  async lines(extra: Extra, ...args: string[]): Promise<string[]> {
    const text = await this.text(extra, ...args)
    return text === '' ? [] : text.split('\n')
  }

  #call(extra: Extra): RunCall & { readonly env: Readonly<Record<string, string>> } {
    const { path, adminDir } = this.place
    const env: Record<string, string> = { GIT_DIR: adminDir, GIT_OPTIONAL_LOCKS: '0' }
    if (path !== null) env.GIT_WORK_TREE = path
    if (extra.real === true) Object.assign(env, REAL_HISTORY)
    if (extra.index !== undefined) env.GIT_INDEX_FILE = extra.index
    if (extra.objects !== undefined) {
      env.GIT_OBJECT_DIRECTORY = extra.objects
    }
    if (extra.objects !== undefined && extra.anew !== true) {
      // Quoted: a colon would end the path.
      const clone = Buffer.from(join(this.place.repository.commonDir, 'objects')).toString('latin1')
      env.GIT_ALTERNATE_OBJECT_DIRECTORIES = Buffer.from(alwaysQuoted(clone), 'latin1').toString()
    }
    return {
      dir: path ?? adminDir,
      sshCommand: this.place.repository.sshCommand,
      signal: this.#signal,
      env,
      deadlineMs: DEADLINE_MS,
      maxBytes: MAX_BYTES,
      ...(extra.input === undefined ? {} : { input: extra.input }),
      ...(extra.expect === undefined ? {} : { expect: extra.expect }),
    }
  }
}

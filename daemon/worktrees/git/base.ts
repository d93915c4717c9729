import { KeyQueue } from '../../lock/key-queue.ts'
import { WorktreeError } from '../worktree-error.ts'
import { askedDefault, guessedDefault, ownDefault, recordedDefault } from './default-branch.ts'
import { fetchBranch } from './fetch.ts'
import { FetchFailures } from './fetch-failures.ts'
import type { Git } from './git.ts'
import { GitError } from './git-error.ts'
import { branchTip } from './read-ref.ts'
import { commitOf } from './refs.ts'
import { onClone, type Repository } from './repository.ts'
import { isPartialClone } from './safe-config.ts'

/** Where a job's branch begins. */
export interface Base {
  readonly sha: string
  /** False: origin could not be asked, or there is none; a warning says which. */
  readonly fetched: boolean
  readonly warnings: readonly string[]
}

/** How long a finished fetch may serve jobs that came before it began, ms. */
const SHARED_MS = 30_000

/** The answer on its way. */
export interface Finding {
  /**
   * What it will be if origin has nothing new, so that work may begin meanwhile; null when that is not known, or when
   * work that turns out to be in vain would cost a fetch of its own.
   */
  readonly expected: Promise<string | null>
  readonly base: Promise<Base>
}

interface Shared {
  readonly result: Promise<Base>
  /** On `performance.now()`'s clock; null: it waits for the fetch before it. */
  begunAt: number | null
}

/**
 * Finds the tip of the default branch after a fetch. Jobs that ask together share one fetch. It does not need the
 * clone's lock: git's own lock of the one ref is enough, and a slow origin must not keep anybody from the clone.
 */
export class BaseFinder {
  readonly failures = new FetchFailures()
  readonly #git: Git
  /** One fetch at a time; key: common directory. */
  readonly #turns = new KeyQueue()
  /** The newest of each clone and key agent. */
  readonly #newest = new Map<string, Shared>()

  constructor(git: Git) {
    this.#git = git
  }

  /**
   * A request shares a fetch that began after `since`, when its job came (`performance.now()`), and none that
   * began before: that may have read origin before the commit was pushed that this job is about. `stop` ends
   * the shared work, so it is the engine's, not a caller's.
   */
  find(
    repository: Repository,
    since: number,
    sshAuthSock: string | null | undefined,
    stop: AbortSignal,
  ): Finding {
    const recorded = repository.hasOrigin ? recordedDefault(this.#git, repository) : Promise.resolve(null)
    const expected = recorded.then((branch) => this.#lastTip(repository, branch))
    const base = repository.hasOrigin
      ? this.#shared(repository, recorded, since, sshAuthSock, stop)
      : this.#withoutOrigin(repository)
    // Both may be awaited late, or never.
    expected.catch(() => undefined)
    base.catch(() => undefined)
    return { expected, base }
  }

  async #lastTip(repository: Repository, branch: string | null): Promise<string | null> {
    if (branch === null || !repository.refsInFiles || isPartialClone(repository.config)) return null
    return this.#tip(repository, `refs/remotes/origin/${branch}`)
  }

  #shared(
    repository: Repository,
    recorded: Promise<string | null>,
    since: number,
    sshAuthSock: string | null | undefined,
    stop: AbortSignal,
  ): Promise<Base> {
    const key = `${repository.commonDir}\0${sshAuthSock ?? ''}`
    const there = this.#newest.get(key)
    if (there !== undefined && (there.begunAt ?? Number.POSITIVE_INFINITY) >= since) return there.result
    let begin = (): void => undefined
    const result = this.#turns.run(repository.commonDir, stop, () => {
      begin()
      return this.#fetched(repository, recorded, sshAuthSock, stop)
    })
    const mine: Shared = { result, begunAt: null }
    begin = () => {
      mine.begunAt = performance.now()
    }
    this.#newest.set(key, mine)
    const forget = () => {
      if (this.#newest.get(key) === mine) this.#newest.delete(key)
    }
    // Whoever comes after a failure tries for himself; nobody's job is older than that after a success.
    result.then(() => setTimeout(forget, SHARED_MS).unref(), forget)
    return result
  }

  async #fetched(
    repository: Repository,
    recording: Promise<string | null>,
    sshAuthSock: string | null | undefined,
    stop: AbortSignal,
  ): Promise<Base> {
    const recorded = await recording
    try {
      const fetchTip = async (branch: string) => {
        await fetchBranch(this.#git, repository, branch, { sshAuthSock, signal: stop })
        return this.#tip(repository, `refs/remotes/origin/${branch}`)
      }
      // origin/HEAD is what origin said when it was cloned; the branch may have been renamed since.
      const sha = recorded === null ? null : await fetchTip(recorded).catch(unlessGone)
      const found = sha ?? (await fetchTip(await this.#askedOrGuessed(repository, sshAuthSock, stop)))
      this.failures.answered(repository)
      if (found !== null) return { sha: found, fetched: true, warnings: [] }
    } catch (error) {
      if (!(error instanceof GitError) || error.isDiskFull) throw error
      if (error.why === 'aborted' || error.why === 'lost') throw error
      this.failures.failed(repository, error.message)
      return this.#lastFetched(repository, recorded, error)
    }
    return { sha: await this.#ownTip(repository), fetched: false, warnings: ['origin has no commit yet'] }
  }

  async #withoutOrigin(repository: Repository): Promise<Base> {
    const warning =
      "the clone has no remote named origin; the branch starts from the clone's own default branch"
    return { sha: await this.#ownTip(repository), fetched: false, warnings: [warning] }
  }

  async #askedOrGuessed(
    repository: Repository,
    sshAuthSock: string | null | undefined,
    stop: AbortSignal,
  ): Promise<string> {
    const asked = await askedDefault(this.#git, repository, sshAuthSock, stop)
    return asked ?? (await guessedDefault(this.#git, repository))
  }

  async #lastFetched(repository: Repository, recorded: string | null, cause: GitError): Promise<Base> {
    const branch = recorded ?? (await guessedDefault(this.#git, repository))
    const why = `origin could not be fetched (${cause.message})`
    const tip =
      (await this.#tip(repository, `refs/remotes/origin/${branch}`)) ??
      // A bare clone keeps what it fetched under refs/heads.
      (repository.bare ? await this.#tip(repository, `refs/heads/${branch}`) : null)
    if (tip !== null) {
      const warning = `${why}; the branch starts from the last fetched ${branch}, which may be old`
      return { sha: tip, fetched: false, warnings: [warning] }
    }
    const warning = `${why} and never was; the branch starts from the clone's own default branch`
    return { sha: await this.#ownTip(repository), fetched: false, warnings: [warning] }
  }

  async #ownTip(repository: Repository): Promise<string> {
    const branch = await ownDefault(this.#git, repository)
    const sha = await this.#tip(repository, branch === null ? 'HEAD' : `refs/heads/${branch}`)
    if (sha !== null) return sha
    throw new WorktreeError(
      `The repository ${repository.root} has no commit to start from`,
      'Make a first commit there, or fetch one.',
      { permanent: true },
    )
  }

  #tip(repository: Repository, ref: string): Promise<string | null> {
    if (ref.startsWith('refs/')) return branchTip(this.#git, repository, ref)
    return commitOf(this.#git, onClone(repository), ref)
  }
}

function unlessGone(error: unknown): null {
  if (error instanceof GitError && /couldn't find remote ref/i.test(error.stderr)) return null
  throw error
}

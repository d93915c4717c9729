import { setMaxListeners } from 'node:events'
import { rmdir } from 'node:fs/promises'
import { messageOf } from '../errors.ts'
import type { Service } from '../lifecycle/service.ts'
import { KeyQueue } from '../lock/key-queue.ts'
import { RepoLock } from '../lock/repo-lock.ts'
import type { Logger } from '../logger.ts'
import { type Created, type CreateRequest, create } from './create.ts'
import { watchDeferred } from './deferred.ts'
import { Disk, freeBytes } from './disk.ts'
import type { Engine } from './engine.ts'
import { BaseFinder } from './git/base.ts'
import { childEnvironment } from './git/environment.ts'
import type { FetchFailures } from './git/fetch-failures.ts'
import { Git } from './git/git.ts'
import { KnownRepositories } from './git/known-repositories.ts'
import type { Repository } from './git/repository.ts'
import type { JobRecord } from './job-record.ts'
import { checkJobId, Layout } from './layout.ts'
import { Overview, type WorktreeInfo } from './list.ts'
import { lookAtPlace, type Place } from './place.ts'
import { headIsPushed } from './pushed.ts'
import { type Judge, type Reconciliation, reconcile, type Unmarked } from './reconcile.ts'
import { Records } from './records.ts'
import { type RemoveOutcome, type RemoveRequest, remove } from './remove.ts'
import { drop } from './salvage/drop.ts'
import { type Restored, type RestoreRequest, restore } from './salvage/restore.ts'
import { knownClones, type SavedWork, savedIn } from './salvage/saved-work.ts'
import { Spares } from './spares.ts'
import { tidy } from './tidy.ts'
import { Trash } from './trash.ts'

export interface WorktreesOptions {
  readonly parentDir: string
  readonly instanceId: string
  /** Records go below `<stateDir>/worktrees/`. */
  readonly stateDir: string
  readonly salvageMaxBytes: number
  readonly minFreeDiskBytes: number
  readonly spares: boolean
  /** Whether the job was put back into the queue and its worktree waits for it; default: none was. */
  readonly isReleased?: (jobId: string) => boolean
  readonly logger: Logger
  /** Default: commands are started by this process. */
  readonly git?: Git
  /** The environment children inherit from, as far as they may; default: the process's own. */
  readonly env?: NodeJS.ProcessEnv
  /** For the files that a preparing command makes; default: the process's own. */
  readonly umask?: number
  readonly now?: () => Date
}

export interface WorktreeRecord {
  readonly jobId: string
  readonly path: string
  readonly branch: string
  readonly baseSha: string | null
  readonly repoRoot: string
  /** ISO, UTC. */
  readonly createdAt: string
}

/** The worktrees of this installation; knows jobs by their id alone. */
export class Worktrees implements Service {
  readonly name = 'worktrees'
  readonly #engine: Engine
  readonly #stop = new AbortController()
  readonly #overview: Overview
  readonly #spares: Spares
  readonly #running = new Set<Promise<unknown>>()
  /** By repo root. */
  readonly #unlisted = new Map<string, string>()

  constructor(options: WorktreesOptions) {
    const env = options.env ?? process.env
    // Every step of every job hears when it stops.
    setMaxListeners(0, this.#stop.signal)
    const git = options.git ?? new Git({ env })
    const layout = new Layout(options.parentDir)
    const childEnv = childEnvironment(env)
    const disk = new Disk(git, childEnv)
    this.#engine = {
      instanceId: options.instanceId,
      minFreeDiskBytes: options.minFreeDiskBytes,
      salvageMaxBytes: options.salvageMaxBytes,
      logger: options.logger,
      git,
      lock: new RepoLock({ take: (file, options) => git.lock(file, options) }),
      turns: new KeyQueue(),
      layout,
      records: new Records(options.stateDir),
      trash: new Trash(layout, disk, options.instanceId, options.logger),
      disk,
      bases: new BaseFinder(git),
      repositories: new KnownRepositories(git, childEnv),
      childEnv,
      umask: options.umask ?? process.umask(),
      stopping: this.#stop.signal,
      now: options.now ?? (() => new Date()),
    }
    this.#overview = new Overview(this.#engine, options.isReleased ?? (() => false))
    this.#spares = new Spares(this.#engine, options.spares)
  }

  /**
   * Begins the background work: what an earlier run left half done, deferred removals, spares. Never fails: a
   * directory that cannot be used is told by each `create`.
   */
  async start(): Promise<void> {
    this.#inBackground(this.#emptyTrash())
    this.#inBackground(this.#spares.run())
    this.#inBackground(this.#tidyThenWatch())
  }

  /** Ends git where it stands; the next start takes up what is half done. Resolves when nothing runs any more. */
  async stop(): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'))
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    await this.#spares.settled()
    await this.#engine.trash.settled()
  }

  /** Re-entrant for its job. Errors: WORKTREE_FAILED (`WorktreeError` tells permanent ones), DISK_LOW. */
  create(request: CreateRequest): Promise<Created> {
    return this.#turn(request.jobId, () => create(this.#engine, this.#spares, request))
  }

  /** Saves first; never throws work away. */
  remove(request: RemoveRequest): Promise<RemoveOutcome> {
    return this.#turn(request.jobId, () => remove(this.#engine, request))
  }

  async find(jobId: string): Promise<WorktreeRecord | null> {
    const record = await this.#engine.records.job(checkJobId(jobId))
    return record?.phase === 'ready' ? this.#shown(record) : null
  }

  /** Whether `origin/<branch>` contains the HEAD of the job's worktree; false when there is no worktree. */
  headIsPushed(jobId: string, branch: string): Promise<boolean> {
    return this.#tracked(this.#headIsPushed(jobId, branch))
  }

  /** All saved work in the clones this installation knows; `faults` tells of those that cannot be asked. */
  async saved(): Promise<SavedWork[]> {
    const clones = await knownClones(this.#engine)
    return (await Promise.all(clones.map((clone) => this.#savedIn(clone)))).flat()
  }

  /** Saved work as a branch in a new worktree. Errors: NOT_FOUND, CONFLICT (the path is taken), WORKTREE_FAILED. */
  restore(request: RestoreRequest): Promise<Restored> {
    return this.#turn(request.jobId, () => restore(this.#engine, request))
  }

  /** Forgets all saved work of a job for good. Errors: NOT_FOUND. */
  drop(jobId: string): Promise<{ refs: string[] }> {
    return this.#turn(jobId, () => drop(this.#engine, jobId))
  }

  /** Every worktree and other directory in the worktree directory. */
  list(): Promise<WorktreeInfo[]> {
    return this.#tracked(this.#overview.list())
  }

  /** Makes disk and git agree with what the jobs have become; `clones`: repo roots besides those in the records. */
  reconcile(judge: Judge, clones: readonly string[], unmarked: Unmarked): Promise<Reconciliation> {
    return this.#tracked(reconcile(this.#engine, judge, clones, unmarked))
  }

  /** Bytes that may still be written where the worktrees are. Below the floor, spares are given up. */
  async freeDiskBytes(): Promise<number> {
    await this.#engine.layout.open()
    const free = await freeBytes(this.#engine.layout.parent)
    if (free < this.#engine.minFreeDiskBytes) this.#inBackground(this.#spares.giveUp())
    return free
  }

  /** The state of the worktree directory's place; changes nothing and never throws. */
  place(): Promise<Place> {
    return lookAtPlace(this.#engine.layout.parent)
  }

  /** Removes all spares and what was on its way out, for the end of an installation. Answers the paths that stay. */
  async takeBackSpares(): Promise<string[]> {
    await this.#spares.giveUp()
    await this.#emptyTrash()
    await this.#engine.trash.settled()
    await rmdir(await this.#engine.layout.spares()).catch(() => undefined)
    return (await this.#engine.records.spares()).map(({ path }) => path)
  }

  /**
   * What cannot be read of our own memory, so that worktrees that it is about stay as they are; and clones whose saved
   * work could not be listed the last time.
   */
  get faults(): readonly string[] {
    return [...this.#engine.records.faults, ...this.#unlisted.values()]
  }

  /** Clones whose jobs begin from commits that may be old, because origin could not be fetched. */
  get fetchFailures(): FetchFailures {
    return this.#engine.bases.failures
  }

  /** One clone that git cannot read hides nothing of the others. */
  async #savedIn(clone: Repository): Promise<SavedWork[]> {
    try {
      const saves = await savedIn(this.#engine, clone)
      this.#unlisted.delete(clone.root)
      return saves
    } catch (error) {
      if (this.#stop.signal.aborted) throw error
      this.#unlisted.set(clone.root, `Saved work in ${clone.root} cannot be listed: ${messageOf(error)}`)
      return []
    }
  }

  async #emptyTrash(): Promise<void> {
    const inTrash = new Set((await this.#engine.records.jobs()).map(({ trashPath }) => trashPath))
    await this.#engine.trash
      .empty((place) => inTrash.has(place), this.#stop.signal)
      .catch((error: unknown) => {
        this.#engine.logger.warn({ err: messageOf(error) }, 'what an earlier run left could not be deleted')
      })
  }

  async #tidyThenWatch(): Promise<void> {
    await tidy(this.#engine).catch((error: unknown) => {
      this.#engine.logger.warn({ err: messageOf(error) }, 'what was cut off could not be tidied now')
    })
    await watchDeferred(this.#engine)
  }

  async #headIsPushed(jobId: string, branch: string): Promise<boolean> {
    const record = await this.#engine.records.job(checkJobId(jobId))
    return record?.phase === 'ready' && headIsPushed(this.#engine, record, branch)
  }

  #turn<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    const turn = async () => this.#engine.turns.run(checkJobId(jobId), this.#engine.stopping, work)
    return this.#tracked(turn())
  }

  /** `stop` waits for it. */
  #tracked<T>(work: Promise<T>): Promise<T> {
    this.#running.add(work)
    const forget = () => this.#running.delete(work)
    work.then(forget, forget)
    return work
  }

  #inBackground(work: Promise<void>): void {
    this.#tracked(work).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) this.#engine.logger.error({ err: error }, 'background work ended')
    })
  }

  #shown(record: JobRecord): WorktreeRecord {
    const { jobId, branch, baseSha, repoRoot, createdAt } = record
    return { jobId, path: this.#engine.layout.shown(record.path), branch, baseSha, repoRoot, createdAt }
  }
}

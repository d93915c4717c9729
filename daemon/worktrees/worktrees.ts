import type { Service } from '../lifecycle/service.ts'
import { KeyQueue } from '../lock/key-queue.ts'
import { RepoLock } from '../lock/repo-lock.ts'
import type { Logger } from '../logger.ts'
import { type Created, type CreateRequest, create } from './create.ts'
import { Disk, freeBytes } from './disk.ts'
import type { Engine } from './engine.ts'
import { BaseFinder } from './git/base.ts'
import { childEnvironment } from './git/environment.ts'
import { Git } from './git/git.ts'
import type { JobRecord } from './job-record.ts'
import { checkJobId, Layout } from './layout.ts'
import { headIsPushed } from './pushed.ts'
import { Records } from './records.ts'
import { type RemoveOutcome, type RemoveRequest, remove } from './remove.ts'
import { drop } from './salvage/drop.ts'
import { type Restored, type RestoreRequest, restore } from './salvage/restore.ts'
import { knownClones, type SavedWork, savedIn } from './salvage/saved-work.ts'
import { Trash } from './trash.ts'

export interface WorktreesOptions {
  readonly parentDir: string
  readonly instanceId: string
  /** Records go below `<stateDir>/worktrees/`. */
  readonly stateDir: string
  readonly salvageMaxBytes: number
  readonly minFreeDiskBytes: number
  readonly spares: boolean
  readonly logger: Logger
  /** The environment children inherit from, as far as they may; default: the process's own. */
  readonly env?: NodeJS.ProcessEnv
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

  constructor(options: WorktreesOptions) {
    const env = options.env ?? process.env
    const git = new Git({ env })
    const lock = new RepoLock()
    const layout = new Layout(options.parentDir)
    const childEnv = childEnvironment(env)
    const disk = new Disk(childEnv)
    this.#engine = {
      instanceId: options.instanceId,
      minFreeDiskBytes: options.minFreeDiskBytes,
      salvageMaxBytes: options.salvageMaxBytes,
      logger: options.logger,
      git,
      lock,
      turns: new KeyQueue(),
      layout,
      records: new Records(options.stateDir),
      trash: new Trash(layout, disk, options.logger),
      disk,
      bases: new BaseFinder(git, lock),
      childEnv,
      stopping: this.#stop.signal,
      now: options.now ?? (() => new Date()),
    }
  }

  async start(): Promise<void> {
    await this.#engine.layout.open()
  }

  async stop(): Promise<void> {
    this.#stop.abort(new Error('the daemon stops'))
    await this.#engine.trash.settled()
  }

  /** Re-entrant for its job. Errors: WORKTREE_FAILED (`WorktreeError` tells permanent ones), DISK_LOW. */
  create(request: CreateRequest): Promise<Created> {
    return this.#turn(request.jobId, () => create(this.#engine, request))
  }

  /** Saves first; never throws work away. */
  remove(request: RemoveRequest): Promise<RemoveOutcome> {
    return this.#turn(request.jobId, () => remove(this.#engine, request))
  }

  async find(jobId: string): Promise<WorktreeRecord | null> {
    const record = await this.#engine.records.job(checkJobId(jobId))
    return record === null || record.phase === 'creating' ? null : this.#shown(record)
  }

  /** Whether `origin/<branch>` contains the HEAD of the job's worktree; false when there is no worktree. */
  async headIsPushed(jobId: string, branch: string): Promise<boolean> {
    const record = await this.#engine.records.job(checkJobId(jobId))
    return record?.phase === 'ready' && headIsPushed(this.#engine, record, branch)
  }

  /** All saved work in the clones this installation knows. */
  async saved(): Promise<SavedWork[]> {
    const clones = await knownClones(this.#engine)
    return (await Promise.all(clones.map((clone) => savedIn(this.#engine, clone)))).flat()
  }

  /** Saved work as a branch in a new worktree. Errors: NOT_FOUND, CONFLICT (the path is taken), WORKTREE_FAILED. */
  restore(request: RestoreRequest): Promise<Restored> {
    return this.#turn(request.jobId, () => restore(this.#engine, request))
  }

  /** Forgets all saved work of a job for good. Errors: NOT_FOUND. */
  drop(jobId: string): Promise<{ refs: string[] }> {
    return this.#turn(jobId, () => drop(this.#engine, jobId))
  }

  /** Bytes that may still be written where the worktrees are. */
  async freeDiskBytes(): Promise<number> {
    await this.#engine.layout.open()
    return freeBytes(this.#engine.layout.parent)
  }

  async #turn<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    return this.#engine.turns.run(checkJobId(jobId), this.#engine.stopping, work)
  }

  #shown(record: JobRecord): WorktreeRecord {
    const { jobId, branch, baseSha, repoRoot, createdAt } = record
    return { jobId, path: this.#engine.layout.shown(record.path), branch, baseSha, repoRoot, createdAt }
  }
}
